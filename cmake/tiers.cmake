# The kernel sources are compiled once per ISA tier, each time into a namespace of its own. Rules that keep one
# tier's code out of another's process: no LTO, no fast-math, at least -O2, and nothing weak in the objects
# (tests/cpp checks them).
include(CheckCXXCompilerFlag)

set(DLCORE_TIERS baseline)
set(DLCORE_TIER_FLAGS_baseline "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  check_cxx_compiler_flag(-march=x86-64-v2 DLCORE_HAS_X86_64_V2)
  if(DLCORE_HAS_X86_64_V2)
    # GCC may park integers in MMX registers, which leaves the x87 stack unusable (long double becomes NaN).
    set(DLCORE_TIER_FLAGS_baseline -march=x86-64-v2 -mno-mmx)
  endif()
  set(DLCORE_TIER_FLAGS_avx2 -march=x86-64-v3 -mno-mmx)
  set(DLCORE_TIER_FLAGS_avx512 -march=x86-64-v4 -mno-mmx -mprefer-vector-width=512)
  if(DLCORE_ISA_TIERS AND DLCORE_HAS_X86_64_V2)
    list(APPEND DLCORE_TIERS ${DLCORE_ISA_TIERS})
    list(REMOVE_DUPLICATES DLCORE_TIERS)
    list(APPEND DLCORE_TIER_FLAGS_baseline -O2)  # less to compile; for machines older than 2013
  endif()
endif()

function(dlcore_add_tiers target)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/kernels/cpu/*.cpp")
  foreach(tier IN LISTS DLCORE_TIERS)
    set(object dlcore_kernels_${tier})
    add_library(${object} OBJECT ${sources})
    target_link_libraries(${object} PRIVATE dlcore_options)
    target_compile_definitions(${object} PRIVATE DLCORE_BUILD DLCORE_TIER=${tier} DLCORE_TIER_${tier}=1)
    target_compile_options(${object} PRIVATE
      ${DLCORE_TIER_FLAGS_${tier}} -ffp-contract=off -fwrapv -fno-math-errno -fno-trapping-math
      $<$<NOT:$<CONFIG:Release>>:-O2> -fno-lto)
    set_target_properties(${object} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
    target_precompile_headers(${object} PRIVATE kernels/cpu/simd.h core/parallel.h kernels/list.h)
    # Checks in line at every access to an array of registers take the compiler minutes: ASan's are calls here. The tiers
    # share their source, so that UBSan needs to see one of them.
    set(sanitize --param=asan-instrumentation-with-call-threshold=0)
    if(NOT tier STREQUAL baseline)
      list(APPEND sanitize -fno-sanitize=undefined)
    endif()
    set_target_properties(${object} PROPERTIES SANITIZE_OPTIONS "${sanitize}")
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${object}>)
  endforeach()
  string(JOIN "," compiled ${DLCORE_TIERS})
  target_compile_definitions(${target} PRIVATE DLCORE_COMPILED_TIERS="${compiled}")
  foreach(tier IN LISTS DLCORE_TIERS)
    target_compile_definitions(${target} PRIVATE DLCORE_HAVE_${tier}=1)
  endforeach()
endfunction()
