# What `cmake --install` leaves: bin/volute, one shared library without a trace of its parts, the
# headers as <volute/...>, and a CMake package: find_package(volute), volute::volute.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(VOLUTE_HEADER "")
foreach(candidate IN ITEMS volute.h runtime/volute.h)
  if(EXISTS ${PROJECT_SOURCE_DIR}/${candidate})
    set(VOLUTE_HEADER ${PROJECT_SOURCE_DIR}/${candidate})
  endif()
endforeach()

# The same spelling works inside the build: examples and tests are written as a user writes.
set(VOLUTE_BUILD_INCLUDE ${PROJECT_BINARY_DIR}/include)
file(MAKE_DIRECTORY ${VOLUTE_BUILD_INCLUDE}/volute)
foreach(folder IN ITEMS ir compiler runtime)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${VOLUTE_BUILD_INCLUDE}/volute/${folder}
       SYMBOLIC)
endforeach()
if(VOLUTE_HEADER)
  file(CREATE_LINK ${VOLUTE_HEADER} ${VOLUTE_BUILD_INCLUDE}/volute/volute.h SYMBOLIC)
endif()
if(runtime_sources)
  target_include_directories(volute_runtime PUBLIC ${VOLUTE_BUILD_INCLUDE})
endif()

set(complete YES)
set(objects "")
set(codegen "")
set(llvm "")
if(VOLUTE_COMPILER_INSIDE)
  set(codegen volute_codegen)
  set(llvm volute_llvm)
endif()
foreach(layer IN ITEMS volute_ir volute_target volute_image volute_compiler ${codegen}
              volute_runtime)
  get_target_property(kind ${layer} TYPE)
  if(kind STREQUAL STATIC_LIBRARY)
    list(APPEND objects $<TARGET_OBJECTS:${layer}>)
  else()
    set(complete NO)
  endif()
endforeach()

if(complete AND VOLUTE_HEADER)
  add_library(volute_shared SHARED ${objects})
  add_library(volute::volute ALIAS volute_shared)
  set_target_properties(
    volute_shared
    PROPERTIES OUTPUT_NAME volute
               EXPORT_NAME volute
               VERSION ${PROJECT_VERSION}
               SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  # Inside, headers name each other from the root ("ir/types.h"), hence the second directory.
  target_include_directories(
    volute_shared
    INTERFACE "$<BUILD_INTERFACE:${VOLUTE_BUILD_INCLUDE};${PROJECT_SOURCE_DIR}>"
              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/volute>)
  target_compile_features(volute_shared INTERFACE cxx_std_20)
  target_link_libraries(
    volute_shared PRIVATE ${llvm} fmt::fmt PNG::PNG pthreadpool::pthreadpool xxhash::xxhash
                          Threads::Threads ${CMAKE_DL_LIBS})

  # Kernels and threads outlive whoever has loaded the library.
  target_link_options(volute_shared PRIVATE LINKER:-z,nodelete)

  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/volute)
  install(TARGETS volute_shared EXPORT volute LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT volute NAMESPACE volute:: FILE voluteConfig.cmake DESTINATION ${package_dir})
  write_basic_package_version_file(voluteConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/voluteConfigVersion.cmake DESTINATION ${package_dir})
  install(FILES ${VOLUTE_HEADER} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/volute)
  install(
    DIRECTORY ir compiler runtime
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/volute
    FILES_MATCHING
    PATTERN "*.h"
    PATTERN codegen EXCLUDE)
endif()

if(TARGET volute)
  install(TARGETS volute RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(
    DIRECTORY bench/suites
    DESTINATION ${CMAKE_INSTALL_DATADIR}/volute
    FILES_MATCHING
    PATTERN "*.vlt")
endif()
