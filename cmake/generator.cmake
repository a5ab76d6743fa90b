# Writes OUTPUT, a C++ source that says which generator the sources under ROOT are, and which LLVM they
# are built with.
file(GLOB_RECURSE sources RELATIVE ${ROOT} ${ROOT}/ir/*.h ${ROOT}/ir/*.cpp ${ROOT}/compiler/*.h
     ${ROOT}/compiler/*.cpp)
list(FILTER sources EXCLUDE REGEX "^compiler/page/") # shows code, and makes none
list(SORT sources)
set(contents "")
foreach(source IN LISTS sources)
  file(SHA256 ${ROOT}/${source} hash)
  string(APPEND contents "${hash} ${source}\n")
endforeach()
string(SHA256 generator "${contents}")
string(SUBSTRING ${generator} 0 16 generator)
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#include "compiler/image/generator.h"

namespace volute::compiler {

std::string_view generator_version() noexcept { return "@generator@"; }
std::string_view llvm_version() noexcept { return "@LLVM@"; }
const char* build_id() noexcept { return "@generator@, LLVM @LLVM@, @BUILD@"; }

} // namespace volute::compiler
]])
file(TOUCH ${OUTPUT}) # made is made: else every build would make it again
