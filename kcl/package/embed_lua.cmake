# SPDX-License-Identifier: Apache-2.0
# Turns each FOLDER/*.lua into a C string in generated/lua_scripts.h, so that
# the library carries its scripts and reads no file at run time.
function(kcl_embed_lua target folder)
  file(GLOB scripts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.lua")
  set(out "${CMAKE_BINARY_DIR}/generated/lua_scripts.h")
  add_custom_command(OUTPUT "${out}"
    COMMAND ${CMAKE_COMMAND} "-DOUT=${out}" "-DSCRIPTS=${scripts}"
      -P "${PROJECT_SOURCE_DIR}/kcl/package/embed_lua_run.cmake"
    DEPENDS ${scripts} "${PROJECT_SOURCE_DIR}/kcl/package/embed_lua_run.cmake" VERBATIM)
  add_custom_target(kcl_lua_scripts DEPENDS "${out}")
  add_dependencies(${target} kcl_lua_scripts)
endfunction()
