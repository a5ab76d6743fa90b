#include "ir/literals.h"
#include "runtime/tensor_ref.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "capi/handles.h"

namespace {

using namespace volute;

// A call hands the caller's tensors on as they lie: the structs of the two interfaces are the same.
static_assert(sizeof(volute_extent) == sizeof(ir::Extent));
static_assert(offsetof(volute_extent, axis) == offsetof(ir::Extent, axis));
static_assert(offsetof(volute_extent, size) == offsetof(ir::Extent, size));
static_assert(sizeof(volute_tensor) == sizeof(TensorRef));
static_assert(offsetof(volute_tensor, data) == offsetof(TensorRef, data));
static_assert(offsetof(volute_tensor, extents) == offsetof(TensorRef, extents));
static_assert(offsetof(volute_tensor, strides) == offsetof(TensorRef, strides));
static_assert(offsetof(volute_tensor, rank) == offsetof(TensorRef, rank));
static_assert(offsetof(volute_tensor, element) == offsetof(TensorRef, element));
static_assert(offsetof(volute_tensor, writable) == offsetof(TensorRef, writable));

static_assert(VOLUTE_F32 == static_cast<int>(ir::ElementType::f32));
static_assert(VOLUTE_F64 == static_cast<int>(ir::ElementType::f64));
static_assert(VOLUTE_F16 == static_cast<int>(ir::ElementType::f16));
static_assert(VOLUTE_BF16 == static_cast<int>(ir::ElementType::bf16));
static_assert(VOLUTE_I8 == static_cast<int>(ir::ElementType::i8));
static_assert(VOLUTE_U8 == static_cast<int>(ir::ElementType::u8));
static_assert(VOLUTE_I32 == static_cast<int>(ir::ElementType::i32));
static_assert(VOLUTE_I64 == static_cast<int>(ir::ElementType::i64));
static_assert(VOLUTE_N == static_cast<int>(ir::Axis::n));
static_assert(VOLUTE_C == static_cast<int>(ir::Axis::c));
static_assert(VOLUTE_D == static_cast<int>(ir::Axis::d));
static_assert(VOLUTE_H == static_cast<int>(ir::Axis::h));
static_assert(VOLUTE_W == static_cast<int>(ir::Axis::w));
static_assert(VOLUTE_O == static_cast<int>(ir::Axis::o));
static_assert(VOLUTE_I == static_cast<int>(ir::Axis::i));

const TensorRef& ref(const volute_tensor& tensor) {
  return reinterpret_cast<const TensorRef&>(tensor);
}

std::span<const TensorRef> refs(const volute_tensor* tensors, size_t count) {
  return {reinterpret_cast<const TensorRef*>(tensors), count};
}

volute_tensor described(const Kernel& kernel, const std::string& name, bool is_output) {
  const ir::TensorType& type = kernel.type(name);
  const TensorStrides& strides = kernel.strides(name);
  return {nullptr,
          reinterpret_cast<const volute_extent*>(type.extents.data()),
          strides.empty() ? nullptr : strides.data(),
          static_cast<int32_t>(type.extents.size()),
          static_cast<volute_element>(type.element),
          is_output};
}

bool is_output(const volute_kernel& kernel, std::string_view name) {
  return std::find(kernel.names.begin() + static_cast<std::ptrdiff_t>(kernel.inputs),
                   kernel.names.end(), name) != kernel.names.end();
}

/// Splits a list into inputs and outputs, and runs the kernel on them.
volute_status run(const volute_kernel& kernel, std::span<const volute_named_tensor> arguments,
                  volute_error** error) {
  std::vector<Kernel::Named> inputs, outputs;
  for (const volute_named_tensor& argument : arguments) {
    if (!argument.name) return capi::refuse_argument(error, "arguments", "a name is NULL");
    (is_output(kernel, argument.name) ? outputs : inputs)
        .push_back({argument.name, ref(argument.tensor)});
  }
  return capi::report(error, kernel.kernel.run(inputs, outputs));
}

} // namespace

volute_kernel::volute_kernel(volute::TieredKernel made) : kernel(std::move(made)) {
  names = kernel.now().inputs();
  inputs = names.size();
  for (std::string& name : kernel.now().outputs()) names.push_back(std::move(name));
}

extern "C" {

char* volute_tensor_type(const volute_tensor* tensor) noexcept {
  if (!tensor) return nullptr;
  try {
    return capi::string_for_caller(runtime::type_text(ref(*tensor)));
  } catch (...) {
    return nullptr;
  }
}

int64_t volute_element_bytes(volute_element element) noexcept {
  return element <= VOLUTE_I64 ? ir::size_of(static_cast<ir::ElementType>(element)) : 0;
}

volute_status volute_kernel_call(const volute_kernel* kernel, const volute_tensor* arguments,
                                 size_t count, volute_error** error) noexcept {
  if (error) *error = nullptr;
  if (!kernel) return capi::refuse_argument(error, "kernel", "is NULL");
  if (!arguments && count > 0) return capi::refuse_argument(error, "arguments", "is NULL");
  const Status status = kernel->kernel.call(refs(arguments, count));
  return status.ok() ? VOLUTE_OK : capi::report(error, status);
}

volute_status volute_kernel_call_in(const volute_kernel* kernel, const volute_tensor* arguments,
                                    size_t count, void* workspace, int64_t workspace_bytes,
                                    volute_error** error) noexcept {
  if (error) *error = nullptr;
  if (!kernel) return capi::refuse_argument(error, "kernel", "is NULL");
  if (!arguments && count > 0) return capi::refuse_argument(error, "arguments", "is NULL");
  if (workspace_bytes < 0) return capi::refuse_argument(error, "workspace_bytes", "is below 0");
  if (!workspace && workspace_bytes > 0)
    return capi::refuse_argument(error, "workspace", "is NULL");
  const std::span<std::byte> memory(static_cast<std::byte*>(workspace),
                                    static_cast<size_t>(workspace_bytes));
  return capi::report(error, kernel->kernel.call(refs(arguments, count), memory));
}

volute_status volute_kernel_run(const volute_kernel* kernel, const volute_named_tensor* arguments,
                                size_t count, volute_error** error) noexcept {
  return capi::guarded(error, [&] {
    if (!kernel) return capi::refuse_argument(error, "kernel", "is NULL");
    if (!arguments && count > 0) return capi::refuse_argument(error, "arguments", "is NULL");
    return run(*kernel, {arguments, count}, error);
  });
}

volute_status volute_kernel_bind(const volute_kernel* kernel, const char* input,
                                 const volute_tensor* tensor, volute_kernel** bound,
                                 volute_error** error) noexcept {
  return capi::guarded(error, [&]() -> volute_status {
    if (!bound) return capi::refuse_argument(error, "bound", "is NULL");
    *bound = nullptr;
    if (!kernel) return capi::refuse_argument(error, "kernel", "is NULL");
    if (!input) return capi::refuse_argument(error, "input", "is NULL");
    if (!tensor) return capi::refuse_argument(error, "tensor", "is NULL");
    const TensorRef& given = ref(*tensor);
    ir::TensorType type = runtime::type_of(given);
    TensorStrides strides;
    if (given.strides) strides.assign(given.strides, given.strides + given.rank);
    const Expected<TieredKernel> made =
        kernel->kernel.try_bind(input, TensorView(std::move(type), given.data, std::move(strides)));
    if (!made) return capi::report(error, VOLUTE_INVALID_ARGUMENT, made.diagnostics());
    *bound = new volute_kernel(*made);
    return VOLUTE_OK;
  });
}

const char* volute_kernel_name(const volute_kernel* kernel) noexcept {
  return kernel ? kernel->kernel.now().name().c_str() : "";
}

size_t volute_kernel_arguments(const volute_kernel* kernel) noexcept {
  return kernel ? kernel->names.size() : 0;
}

size_t volute_kernel_inputs(const volute_kernel* kernel) noexcept {
  return kernel ? kernel->inputs : 0;
}

bool volute_kernel_argument(const volute_kernel* kernel, size_t position, const char** name,
                            volute_tensor* tensor) noexcept {
  if (!kernel || position >= kernel->names.size()) return false;
  if (name) *name = kernel->names[position].c_str();
  if (tensor)
    *tensor = described(kernel->kernel.now(), kernel->names[position], position >= kernel->inputs);
  return true;
}

bool volute_kernel_argument_named(const volute_kernel* kernel, const char* name,
                                  volute_tensor* tensor) noexcept {
  if (!kernel || !name) return false;
  try {
    const volute_tensor found = described(kernel->kernel.now(), name, is_output(*kernel, name));
    if (tensor) *tensor = found;
    return true;
  } catch (...) { // there is none of the name
    return false;
  }
}

bool volute_kernel_runs_in_place(const volute_kernel* kernel, const char* input,
                                 const char* output) noexcept {
  if (!kernel || !input || !output) return false;
  try {
    return kernel->kernel.now().runs_in_place(input, output);
  } catch (...) { // there are no such
    return false;
  }
}

int64_t volute_kernel_workspace_bytes(const volute_kernel* kernel) noexcept {
  return kernel ? kernel->kernel.now().workspace_bytes() : 0;
}

int64_t volute_kernel_owned_bytes(const volute_kernel* kernel) noexcept {
  return kernel ? kernel->kernel.now().owned_bytes() : 0;
}

int64_t volute_kernel_mapped_bytes(const volute_kernel* kernel) noexcept {
  return kernel ? kernel->kernel.now().mapped_bytes() : 0;
}

bool volute_kernel_wait(const volute_kernel* kernel, double seconds) noexcept {
  return !kernel || kernel->kernel.wait_for(seconds);
}

volute_status volute_kernel_final(const volute_kernel* kernel, volute_kernel** made,
                                  volute_error** error) noexcept {
  return capi::guarded(error, [&]() -> volute_status {
    if (!made) return capi::refuse_argument(error, "made", "is NULL");
    *made = nullptr;
    if (!kernel) return capi::refuse_argument(error, "kernel", "is NULL");
    const Expected<Kernel> good = kernel->kernel.wait();
    if (!good)
      return capi::report(error, capi::status_of_failed(good.diagnostics()), good.diagnostics());
    *made = new volute_kernel(*good);
    return VOLUTE_OK;
  });
}

void volute_kernel_cancel(const volute_kernel* kernel) noexcept {
  if (kernel) kernel->kernel.cancel();
}

void volute_kernel_free(volute_kernel* kernel) noexcept { delete kernel; }

} // extern "C"
