#include "runtime/late_library.h"

#include <dlfcn.h>

namespace volute::runtime {
namespace {

std::string last_words() {
  const char* words = dlerror();
  return words ? words : "it cannot be loaded";
}

} // namespace

LateLibrary::LateLibrary(const char* name)
    : library_(dlopen(name, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE)) {
  if (!library_) fault_ = last_words();
}

void* LateLibrary::find(const char* name) {
  void* found = library_ ? dlsym(library_, name) : nullptr;
  if (!found && fault_.empty()) fault_ = last_words();
  return found;
}

} // namespace volute::runtime
