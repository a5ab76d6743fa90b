// Another LLVM in the process, as Mesa's drivers and numba bring one, with all of its symbols to be
// seen by whoever comes: neither disturbs the other.
//
//     second_llvm LIBRARY before|after      it comes before Volute's, or after it
#include "ir/parse.h"
#include "runtime/volute.hpp"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <string>

using namespace volute;

namespace {

template <class Function>
Function function(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

/// Makes a module there, as text.
bool other_works(void* library, const char* name) {
  using Context = void*;
  using Module = void*;
  const auto create = function<Context (*)()>(library, "LLVMContextCreate");
  const auto dispose = function<void (*)(Context)>(library, "LLVMContextDispose");
  const auto make =
      function<Module (*)(const char*, Context)>(library, "LLVMModuleCreateWithNameInContext");
  const auto print = function<char* (*)(Module)>(library, "LLVMPrintModuleToString");
  const auto release = function<void (*)(char*)>(library, "LLVMDisposeMessage");
  const auto end = function<void (*)(Module)>(library, "LLVMDisposeModule");
  if (!create || !dispose || !make || !print || !release || !end) return false;
  const Context context = create();
  const Module module = make(name, context);
  char* text = print(module);
  const bool is_right = std::strstr(text, name) != nullptr;
  release(text);
  end(module);
  dispose(context);
  return is_right;
}

/// An option of LLVM's own, which both have: set there, it must not be set here.
void spoil_options(void* library) {
  const auto parse = function<void (*)(int, const char* const*, const char*)>(
      library, "LLVMParseCommandLineOptions");
  const char* const words[] = {"other", "-disable-lsr=false", "-x86-early-ifcvt"};
  if (parse) parse(3, words, "");
}

bool ours_works(int64_t width) {
  Session session(runtime::Options{});
  const auto program = ir::parse("program @p(%x: f32[n=1, c=4, w=" + std::to_string(width) +
                                 "]) {\n  %y = relu %x\n  return %y\n}");
  const Expected<Kernel> kernel = session.try_compile(*program);
  if (!kernel) {
    std::fprintf(stderr, "%s\n", to_string(kernel.diagnostics().front()).c_str());
    return false;
  }
  Tensor x = *Tensor::allocate(kernel->type("x")), y = *Tensor::allocate(kernel->type("y"));
  runtime::fill(x, {runtime::Fill::Kind::iota, 0});
  return (*kernel)(x, y).ok() && y.as<float>()[5] == 5;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 3;
  const bool is_before = std::strcmp(argv[2], "before") == 0;
  bool ours = is_before || ours_works(9);
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
  if (!library) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 3;
  }
  bool other = other_works(library, "first");
  spoil_options(library);
  for (int64_t width = 10; width < 14; ++width) {
    ours = ours_works(width) && ours;
    other = other_works(library, "again") && other;
  }
  std::printf("ours %d, other %d\n", ours, other);
  return ours && other ? 0 : 1;
}
