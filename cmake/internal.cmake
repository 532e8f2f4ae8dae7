# dlcore_internal: an archive of the library's own objects, for tests and benchmarks that reach below the public surface,
# which the shared library hides.
if(NOT TARGET dlcore_internal)
  set(DLCORE_TIER_OBJECTS "")
  foreach(tier IN LISTS DLCORE_TIERS)
    list(APPEND DLCORE_TIER_OBJECTS $<TARGET_OBJECTS:dlcore_kernels_${tier}>)
  endforeach()
  add_library(dlcore_internal STATIC EXCLUDE_FROM_ALL $<TARGET_OBJECTS:dlcore> ${DLCORE_TIER_OBJECTS})
  set_target_properties(dlcore_internal PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(dlcore_internal PUBLIC dlcore_options OpenMP::OpenMP_CXX Threads::Threads)
endif()
