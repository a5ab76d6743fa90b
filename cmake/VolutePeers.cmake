# The libraries that the benchmark compares with, each a module, bench/peers/NAME.cpp. None of them is
# needed: what is not installed is left out, with a line that says so.
set(VOLUTE_PEERS ${PROJECT_BINARY_DIR}/peers)
set(peers_built "")
set(peers_missing "")

# volute_add_peer(name package header library [suffixes...]): a peer whose header and library are where
# the system keeps such things.
function(volute_add_peer name package header library)
  find_path(VOLUTE_PEER_${name}_INCLUDE ${header} PATH_SUFFIXES ${ARGN})
  find_library(VOLUTE_PEER_${name}_LIBRARY ${library} PATH_SUFFIXES ${ARGN})
  mark_as_advanced(VOLUTE_PEER_${name}_INCLUDE VOLUTE_PEER_${name}_LIBRARY)
  if(NOT VOLUTE_PEER_${name}_INCLUDE OR NOT VOLUTE_PEER_${name}_LIBRARY)
    set(peers_missing ${peers_missing} "${name} (${package})" PARENT_SCOPE)
    return()
  endif()
  add_library(volute_peer_${name} MODULE bench/peers/${name}.cpp)
  set_target_properties(volute_peer_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
                                                       LIBRARY_OUTPUT_DIRECTORY ${VOLUTE_PEERS})
  target_include_directories(volute_peer_${name} SYSTEM PRIVATE ${VOLUTE_PEER_${name}_INCLUDE})
  target_link_libraries(volute_peer_${name} PRIVATE volute_peer ${VOLUTE_PEER_${name}_LIBRARY})
  target_compile_options(volute_peer_${name} PRIVATE ${VOLUTE_WARNINGS})
  # Only those that were built: quickstart builds them when it is asked to. In no Debian package: whoever
  # installs the command line would have to install every library that the benchmark compares with.
  install(TARGETS volute_peer_${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/volute/peers
                                              COMPONENT peers OPTIONAL)
  set(peers_built ${peers_built} ${name} PARENT_SCOPE)
endfunction()

include(GNUInstallDirs)
# A sanitized module would want its libraries sanitized.
if(NOT VOLUTE_SANITIZE)
  volute_add_peer(onednn libdnnl-dev oneapi/dnnl/dnnl.hpp dnnl)
  volute_add_peer(im2col libopenblas-pthread-dev cblas.h openblas openblas-pthread
                  ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-pthread)
  volute_add_peer(xnnpack libxnnpack-dev xnnpack.h XNNPACK)
  volute_add_peer(torch libtorch-dev ATen/ATen.h torch_cpu)
  volute_add_peer(opencv libopencv-dnn-dev opencv2/dnn.hpp opencv_dnn opencv4)
  volute_add_peer(onnxruntime libonnxruntime-dev onnxruntime_cxx_api.h onnxruntime onnxruntime)
  volute_add_peer(halide libhalide19-dev Halide.h Halide19 halide19)
endif()
if(TARGET volute_peer_torch)
  find_library(VOLUTE_C10_LIBRARY c10)
  find_path(VOLUTE_TORCH_INCLUDE torch/version.h PATH_SUFFIXES torch/csrc/api/include)
  mark_as_advanced(VOLUTE_C10_LIBRARY VOLUTE_TORCH_INCLUDE)
  target_include_directories(volute_peer_torch SYSTEM PRIVATE ${VOLUTE_TORCH_INCLUDE})
  target_link_libraries(volute_peer_torch PRIVATE ${VOLUTE_C10_LIBRARY})
endif()
if(TARGET volute_peer_opencv)
  find_library(VOLUTE_OPENCV_CORE_LIBRARY opencv_core)
  find_library(VOLUTE_OPENCV_IMGPROC_LIBRARY opencv_imgproc)
  mark_as_advanced(VOLUTE_OPENCV_CORE_LIBRARY VOLUTE_OPENCV_IMGPROC_LIBRARY)
  target_link_libraries(volute_peer_opencv PRIVATE ${VOLUTE_OPENCV_IMGPROC_LIBRARY}
                                                   ${VOLUTE_OPENCV_CORE_LIBRARY})
endif()
if(TARGET volute_peer_xnnpack)
  target_link_libraries(volute_peer_xnnpack PRIVATE ${VOLUTE_PTHREADPOOL_LIBRARY})
  # Its interface has no version, but this function since 2023.
  file(STRINGS ${VOLUTE_PEER_xnnpack_INCLUDE}/xnnpack.h reshapes
       REGEX "xnn_reshape_convolution2d_nhwc_f32")
  if(reshapes)
    target_compile_definitions(volute_peer_xnnpack PRIVATE VOLUTE_XNNPACK_RESHAPES)
  endif()
endif()
if(peers_missing)
  list(JOIN peers_missing ", " missing)
  message(STATUS "Peers of the benchmark that are not installed, and left out: ${missing}")
endif()
add_custom_target(peers)
foreach(peer IN LISTS peers_built)
  add_dependencies(peers volute_peer_${peer})
endforeach()
