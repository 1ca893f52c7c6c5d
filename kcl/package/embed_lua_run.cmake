# SPDX-License-Identifier: Apache-2.0
# Run by the build: writes OUT from SCRIPTS, as arrays of bytes.
set(text "/* Generated from leases/redis/lua; do not edit. */\n")
foreach(script ${SCRIPTS})
  get_filename_component(name "${script}" NAME_WE)
  file(READ "${script}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND text "static const char kcl_lua_${name}[] = {${bytes}0};\n")
endforeach()
file(WRITE "${OUT}" "${text}")
