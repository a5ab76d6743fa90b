# What `cmake --install` leaves: bin/volute, one shared library, the public headers as <volute/...>, a
# CMake package (find_package(volute), volute::volute), volute.pc, a man page and completions. Built
# by the target `installable`, which ./quickstart builds; taken away again by the target `uninstall`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Which headers are public, and where they are included from; and with them all that they include.
set(VOLUTE_PUBLIC_HEADERS
    capi/volute.h:volute.h runtime/volute.hpp:volute.hpp runtime/threads_openmp.h:threads_openmp.hpp
    runtime/threads_tbb.h:threads_tbb.hpp)

# The same spelling works inside the build: examples and tests are written as a user writes. Headers
# are the repository's own there, which name each other from its root.
set(VOLUTE_BUILD_INCLUDE ${PROJECT_BINARY_DIR}/include)
file(REMOVE_RECURSE ${VOLUTE_BUILD_INCLUDE})
file(MAKE_DIRECTORY ${VOLUTE_BUILD_INCLUDE}/volute)
foreach(folder IN ITEMS ir compiler runtime)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${VOLUTE_BUILD_INCLUDE}/volute/${folder}
       SYMBOLIC)
endforeach()
foreach(header IN LISTS VOLUTE_PUBLIC_HEADERS)
  string(REGEX MATCH "^(.*):(.*)$" both "${header}")
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${CMAKE_MATCH_1}
       ${VOLUTE_BUILD_INCLUDE}/volute/${CMAKE_MATCH_2} SYMBOLIC)
endforeach()
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
foreach(layer IN ITEMS volute_ir volute_target volute_image volute_compiler volute_page ${codegen}
              volute_runtime volute_capi)
  get_target_property(kind ${layer} TYPE)
  if(kind STREQUAL STATIC_LIBRARY)
    list(APPEND objects $<TARGET_OBJECTS:${layer}>)
  else()
    set(complete NO)
  endif()
endforeach()

add_custom_target(installable)
add_custom_target(volute_libraries) # what is loaded, and no more
add_dependencies(installable volute_libraries)
if(complete)
  add_library(volute_shared SHARED ${objects})
  add_library(volute::volute ALIAS volute_shared)
  set_target_properties(
    volute_shared
    PROPERTIES OUTPUT_NAME volute
               EXPORT_NAME volute
               VERSION ${PROJECT_VERSION}
               SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  target_include_directories(
    volute_shared INTERFACE "$<BUILD_INTERFACE:${VOLUTE_BUILD_INCLUDE};${PROJECT_SOURCE_DIR}>"
                            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  # An installed one asks for it only where there is a C++ compiler: voluteConfig.cmake.
  target_compile_features(volute_shared INTERFACE $<BUILD_INTERFACE:cxx_std_20>)
  target_link_libraries(
    volute_shared PRIVATE ${llvm} fmt::fmt Threads::Threads ${CMAKE_DL_LIBS})
  set(VOLUTE_SYMBOLS ${PROJECT_SOURCE_DIR}/cmake/libvolute.map)
  target_link_options(volute_shared PRIVATE "LINKER:--version-script=${VOLUTE_SYMBOLS}")
  set_target_properties(volute_shared PROPERTIES LINK_DEPENDS ${VOLUTE_SYMBOLS})
  add_dependencies(volute_libraries volute_shared)

  # What it calls of its own is its own: no look-up when a process starts, and no way around.
  target_link_options(volute_shared PRIVATE LINKER:-Bsymbolic-functions)
  # Kernels and threads outlive whoever has loaded the library.
  target_link_options(volute_shared PRIVATE LINKER:-z,nodelete)

  install(
    TARGETS volute_shared
    EXPORT volute
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/volute)
  install(
    EXPORT volute
    NAMESPACE volute::
    FILE voluteTargets.cmake
    DESTINATION ${package_dir}
    COMPONENT development)
  write_basic_package_version_file(voluteConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(
    FILES ${PROJECT_SOURCE_DIR}/cmake/voluteConfig.cmake
          ${CMAKE_CURRENT_BINARY_DIR}/voluteConfigVersion.cmake
    DESTINATION ${package_dir}
    COMPONENT development)

  # The prefix is found from where the file lies, so that an installation can be moved: from
  # lib/pkgconfig or lib/ARCHITECTURE/pkgconfig it is as many folders up.
  string(REGEX REPLACE "[^/]+" ".." up "${CMAKE_INSTALL_LIBDIR}")
  file(
    GENERATE
    OUTPUT ${PROJECT_BINARY_DIR}/volute.pc
    CONTENT
      "prefix=\${pcfiledir}/../${up}
libdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}
includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}

Name: volute
Description: ${PROJECT_DESCRIPTION}
Version: ${PROJECT_VERSION}
Libs: -L\${libdir} -lvolute
Cflags: -I\${includedir}
")
  install(
    FILES ${PROJECT_BINARY_DIR}/volute.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
    COMPONENT development)

  # They are gathered when they are installed: what a header includes may change after configuring.
  set(VOLUTE_INSTALLED_HEADERS ${PROJECT_BINARY_DIR}/installed_headers)
  install(
    CODE "
execute_process(
  COMMAND \${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DINTO=${VOLUTE_INSTALLED_HEADERS}/volute
          -DINTO_LIST=${PROJECT_BINARY_DIR}/installed_headers.txt
          \"-DHEADERS=${VOLUTE_PUBLIC_HEADERS}\" -P ${PROJECT_SOURCE_DIR}/cmake/PublicHeaders.cmake
  COMMAND_ERROR_IS_FATAL ANY)"
    COMPONENT development)
  install(
    DIRECTORY ${VOLUTE_INSTALLED_HEADERS}/volute
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    COMPONENT development)
endif()

if(TARGET volute)
  # What the tool says of itself is the man page and what shells complete.
  set(manual ${PROJECT_BINARY_DIR}/manual)
  set(manual_files ${manual}/volute.1 ${manual}/volute.bash ${manual}/_volute ${manual}/volute.fish)
  add_custom_command(
    OUTPUT ${manual_files}
    COMMAND ${CMAKE_COMMAND} -DTOOL=$<TARGET_FILE:volute> -DVERSION=${PROJECT_VERSION}
            -DINTO=${manual} -P ${PROJECT_SOURCE_DIR}/cmake/Manual.cmake
    DEPENDS volute ${PROJECT_SOURCE_DIR}/cmake/Manual.cmake
    COMMENT "Writing the man page and shell completions"
    VERBATIM)
  add_custom_target(manual DEPENDS ${manual_files})
  add_dependencies(installable volute manual)

  install(TARGETS volute RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tool)
  install(
    DIRECTORY bench/suites
    DESTINATION ${CMAKE_INSTALL_DATADIR}/volute
    COMPONENT tool
    FILES_MATCHING
    PATTERN "*.vlt")
  install(FILES ${manual}/volute.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tool)
  install(
    FILES ${manual}/volute.bash
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    RENAME volute
    COMPONENT tool)
  install(
    FILES ${manual}/_volute
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions
    COMPONENT tool)
  install(
    FILES ${manual}/volute.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
    COMPONENT tool)
endif()

# Takes away what the last `cmake --install` of this build has left, by its own list.
add_custom_target(
  uninstall
  COMMAND ${CMAKE_COMMAND} -DBUILD=${PROJECT_BINARY_DIR} -P
          ${PROJECT_SOURCE_DIR}/cmake/Uninstall.cmake
  VERBATIM)
