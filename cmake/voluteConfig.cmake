# find_package(volute): the target volute::volute, for C and for C++20.
include(${CMAKE_CURRENT_LIST_DIR}/voluteTargets.cmake)
get_property(volute_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
if(CXX IN_LIST volute_languages)
  set_property(TARGET volute::volute APPEND PROPERTY INTERFACE_COMPILE_FEATURES cxx_std_20)
endif()
unset(volute_languages)
