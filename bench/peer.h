// What a peer is: another way to compute a program, to compare with and to be measured against.
//
// One file a peer in bench/peers/. A peer says what it cannot do, in a refusal; it never computes
// something else than the program says.
#pragma once

#include "ir/diagnostic.h"
#include "ir/program.h"

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace volute::bench {

/// The caller's memory by name: the program's inputs and results, each in the layout of its type.
/// It stays the caller's and must outlive what a peer prepares from it.
using Tensors = std::map<std::string, std::span<std::byte>, std::less<>>;

/// A program ready to run on fixed memory.
class PreparedPeer {
public:
  virtual ~PreparedPeer() = default;
  /// From the inputs' values at this moment to the results. This is what is timed.
  virtual void run() = 0;
};

class Peer {
public:
  virtual ~Peer() = default;
  /// As `--against` names it.
  virtual std::string_view name() const = 0;
  /// Everything that happens once: choosing an algorithm, packing weights. Weights and biases are
  /// taken as constant from here on. Not timed.
  virtual Expected<std::unique_ptr<PreparedPeer>> prepare(const ir::Program& program,
                                                          const Tensors& tensors) const = 0;
};

/// Every peer of this build.
const std::vector<const Peer*>& peers();
/// The peer of that name, or null.
const Peer* find_peer(std::string_view name);

/// The f32 elements of a named tensor, or why they are not there: no such name, too few bytes, an
/// address that is no multiple of 4.
Expected<float*> floats_of(const Tensors& tensors, const std::string& name,
                           const ir::TensorType& type);

} // namespace volute::bench
