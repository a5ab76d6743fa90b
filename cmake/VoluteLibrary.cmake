# volute_add_library(name SOURCES files... PUBLIC libraries... PRIVATE libraries...)
# A static library whose headers are found from the root of the repository ("ir/program.h"). A layer
# without sources is only its headers, so that a part of the tree configures as well as the whole.
function(volute_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PUBLIC;PRIVATE")
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
    target_compile_options(${name} PRIVATE ${VOLUTE_WARNINGS})
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${name} INTERFACE ${arg_PUBLIC})
  endif()
endfunction()

# volute_embed(sources file namespace name)
# A text that is a file of its own, to be edited as one, and a string `const char* const
# namespace::name` of the library: its definition is appended to the list `sources`.
function(volute_embed sources file VOLUTE_NAMESPACE VOLUTE_NAME)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} VOLUTE_TEXT)
  file(CONFIGURE OUTPUT ${VOLUTE_NAME}.cpp @ONLY CONTENT [[
namespace @VOLUTE_NAMESPACE@ {
extern const char* const @VOLUTE_NAME@;
const char* const @VOLUTE_NAME@ = R"PAGE(@VOLUTE_TEXT@)PAGE";
} // namespace @VOLUTE_NAMESPACE@
]])
  set(${sources} ${${sources}} ${PROJECT_BINARY_DIR}/${VOLUTE_NAME}.cpp PARENT_SCOPE)
endfunction()
