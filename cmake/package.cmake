# A relocatable CMake package. In a wheel everything lives under the Python package (dlcore/lib, dlcore/include).
include(CMakePackageConfigHelpers)

set(DLCORE_CMAKEDIR "${CMAKE_INSTALL_LIBDIR}/cmake/dlcore")
install(TARGETS dlcore EXPORT dlcore-targets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(DIRECTORY csrc/include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(EXPORT dlcore-targets NAMESPACE dlcore:: DESTINATION "${DLCORE_CMAKEDIR}")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/dlcore-config.cmake.in"
  "${CMAKE_CURRENT_BINARY_DIR}/dlcore-config.cmake" INSTALL_DESTINATION "${DLCORE_CMAKEDIR}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/dlcore-config-version.cmake"
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/dlcore-config.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/dlcore-config-version.cmake" DESTINATION "${DLCORE_CMAKEDIR}")
