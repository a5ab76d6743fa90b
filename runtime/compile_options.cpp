#include "runtime/compile_options.h"

namespace volute::runtime {

CompileOptions CompileOptions::like(const std::string& name, const TensorView& view) const {
  CompileOptions options = *this;
  options.strides.erase(name);
  if (!view.is_dense()) options.strides[name] = view.strides();
  return options;
}

} // namespace volute::runtime
