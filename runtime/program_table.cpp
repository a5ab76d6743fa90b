#include "runtime/program_table.h"

#include <algorithm>
#include <mutex>

namespace volute::runtime {
namespace {

constexpr size_t most_constant = 4096; // bytes that the table may keep alive for a program

/// Different for most programs that differ, and quick; equality decides.
uint64_t hash_of(const ir::Program& program, const CompileOptions& options) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](uint64_t number) {
    hash = (hash ^ number) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  };
  for (const ir::Value& value : program.values) {
    add(static_cast<uint64_t>(value.type.element));
    for (const ir::Extent& extent : value.type.extents)
      add(static_cast<uint64_t>(extent.size) << 4 | static_cast<uint64_t>(extent.axis));
  }
  for (const ir::Statement& statement : program.statements) {
    add(statement.operation.index());
    if (const auto* constant = std::get_if<ir::Const>(&statement.operation);
        constant && constant->bytes)
      for (size_t i = 0; i < std::min<size_t>(constant->bytes->size(), 8); ++i)
        add(static_cast<uint64_t>((*constant->bytes)[i]));
  }
  add(program.name.size() << 16 | options.schedule.size());
  add(options.target.size() << 1 | static_cast<uint64_t>(options.deterministic));
  return hash;
}

bool is_small(const ir::Program& program) {
  size_t bytes = 0;
  for (const ir::Statement& statement : program.statements)
    if (const auto* constant = std::get_if<ir::Const>(&statement.operation);
        constant && constant->bytes)
      bytes += constant->bytes->size();
  return bytes <= most_constant;
}

} // namespace

std::optional<Kernel> ProgramTable::find(const ir::Program& program,
                                         const CompileOptions& options) const {
  const uint64_t hash = hash_of(program, options);
  std::optional<Kernel> kernel;
  {
    const std::shared_lock lock(mutex_);
    const auto [begin, end] = kernels_.equal_range(hash);
    for (auto at = begin; at != end && !kernel; ++at)
      if (at->second.is_for(program, options)) kernel = at->second.kernel.lock();
  }
  if (!kernel) return kernel;
  kernel->mark_used();
  hits_.fetch_add(1, std::memory_order_relaxed);
  return kernel;
}

void ProgramTable::remember(const ir::Program& program, const CompileOptions& options,
                            const Kernel& kernel) {
  if (!is_small(program)) return;
  const uint64_t hash = hash_of(program, options);
  const std::unique_lock lock(mutex_);
  // As FunctionTable does: dead entries never outnumber the others by much.
  if (kernels_.size() >= 2 * swept_ + 64) {
    std::erase_if(kernels_, [](const auto& item) { return item.second.kernel.expired(); });
    swept_ = kernels_.size();
  }
  const auto [begin, end] = kernels_.equal_range(hash);
  const auto known = std::find_if(
      begin, end, [&](const auto& item) { return item.second.is_for(program, options); });
  if (known == end)
    kernels_.emplace(hash, Entry{program, options, WeakKernel(kernel)});
  else
    known->second.kernel = WeakKernel(kernel);
}

void ProgramTable::clear() {
  const std::unique_lock lock(mutex_);
  kernels_.clear();
  swept_ = 0;
}

} // namespace volute::runtime
