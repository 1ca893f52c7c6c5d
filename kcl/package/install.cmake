# SPDX-License-Identifier: Apache-2.0
# Headers, both libraries, kclConfig.cmake, kcl.pc and kcl-static.pc.
include(CMakePackageConfigHelpers)

install(TARGETS kcl EXPORT kclTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS kcl_static EXPORT kclStaticTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/kcl DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES "${CMAKE_BINARY_DIR}/generated/kcl/version.h" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kcl)
install(EXPORT kclTargets NAMESPACE kcl:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kcl)
install(EXPORT kclStaticTargets NAMESPACE kcl:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kcl)
configure_package_config_file(kcl/package/kclConfig.cmake.in "${CMAKE_BINARY_DIR}/kclConfig.cmake"
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kcl)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/kclConfigVersion.cmake" COMPATIBILITY SameMajorVersion)
install(FILES "${CMAKE_BINARY_DIR}/kclConfig.cmake" "${CMAKE_BINARY_DIR}/kclConfigVersion.cmake"
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kcl)

# The files find their prefix from where they lie, so that an install to another place works.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(KCL_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  set(KCL_PC_LIBDIR "${CMAKE_INSTALL_LIBDIR}")
else()
  file(RELATIVE_PATH up "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
  string(REGEX REPLACE "/$" "" up "${up}")
  set(KCL_PC_PREFIX "\${pcfiledir}/${up}")
  set(KCL_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(KCL_PC_INCLUDEDIR "${CMAKE_INSTALL_INCLUDEDIR}")
else()
  set(KCL_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
# Plain names: Requires would ask for the .pc files of what the shared library uses, and with
# --static for the private libraries of a libcurl that is not linked statically.
set(KCL_PC_LIBS "-lcurl -lcrypto -lcjson -lhiredis -lpthread")
foreach(name kcl kcl-static)
  configure_file(kcl/package/${name}.pc.in "${CMAKE_BINARY_DIR}/${name}.pc" @ONLY)
  install(FILES "${CMAKE_BINARY_DIR}/${name}.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
