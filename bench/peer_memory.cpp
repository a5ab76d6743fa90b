#include "bench/peer.h"

#include <fmt/format.h>

namespace volute::bench {

Expected<std::unique_ptr<PreparedPeer>> Peer::prepare(const ir::Program& program,
                                                      const Tensors& tensors) const {
  Expected<Ways> all = ways(program, tensors, 1);
  if (!all) return all.failure();
  return std::move(all->front());
}

Expected<std::byte*> memory_of(const Tensors& tensors, const std::string& name,
                               const ir::TensorType& type) {
  const std::string subject = "%" + name;
  const auto found = tensors.find(name);
  if (found == tensors.end()) return fail(subject, "no memory is given for it");
  const std::span<std::byte> memory = found->second;
  const auto needed = static_cast<size_t>(type.bytes());
  const auto alignment = static_cast<size_t>(ir::size_of(type.element));
  if (memory.size() != needed)
    return fail(subject, fmt::format("{} takes {} bytes, and {} are given", ir::to_string(type),
                                     needed, memory.size()));
  if (reinterpret_cast<uintptr_t>(memory.data()) % alignment != 0)
    return fail(subject, fmt::format("its address is not a multiple of {}", alignment));
  return memory.data();
}

Expected<float*> floats_of(const Tensors& tensors, const std::string& name,
                           const ir::TensorType& type) {
  const Expected<std::byte*> memory = memory_of(tensors, name, type);
  if (!memory) return memory.failure();
  return reinterpret_cast<float*>(*memory);
}

} // namespace volute::bench
