# SPDX-License-Identifier: Apache-2.0
# Headers, both libraries, kclConfig.cmake and kcl.pc.
include(CMakePackageConfigHelpers)

install(TARGETS kcl kcl_static EXPORT kclTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/kcl DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES "${CMAKE_BINARY_DIR}/generated/kcl/version.h" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kcl)
install(EXPORT kclTargets NAMESPACE kcl:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kcl)
configure_package_config_file(kcl/package/kclConfig.cmake.in "${CMAKE_BINARY_DIR}/kclConfig.cmake"
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kcl)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/kclConfigVersion.cmake" COMPATIBILITY SameMajorVersion)
install(FILES "${CMAKE_BINARY_DIR}/kclConfig.cmake" "${CMAKE_BINARY_DIR}/kclConfigVersion.cmake"
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kcl)
# The file finds its prefix from where it lies, so that an install to another place works.
file(RELATIVE_PATH KCL_PC_UP "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file(kcl/package/kcl.pc.in "${CMAKE_BINARY_DIR}/kcl.pc" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/kcl.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
