#include "bench/peer.h"

#include "bench/peers/naive.h"

#include <fmt/format.h>

namespace volute::bench {

const std::vector<const Peer*>& peers() {
  static const std::vector<const Peer*> all = {&naive_peer()};
  return all;
}

const Peer* find_peer(std::string_view name) {
  for (const Peer* peer : peers())
    if (peer->name() == name) return peer;
  return nullptr;
}

Expected<float*> floats_of(const Tensors& tensors, const std::string& name,
                           const ir::TensorType& type) {
  const std::string subject = "%" + name;
  const auto found = tensors.find(name);
  if (found == tensors.end()) return fail(subject, "no memory is given for it");
  const std::span<std::byte> memory = found->second;
  const auto needed = static_cast<size_t>(type.bytes());
  if (memory.size() != needed)
    return fail(subject, fmt::format("{} takes {} bytes, and {} are given", ir::to_string(type),
                                     needed, memory.size()));
  if (reinterpret_cast<uintptr_t>(memory.data()) % alignof(float) != 0)
    return fail(subject, "its address is not a multiple of 4");
  return reinterpret_cast<float*>(memory.data());
}

} // namespace volute::bench
