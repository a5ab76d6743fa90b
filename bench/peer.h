// What a peer is: another way to compute a program, to compare with and to be measured against.
//
// One file a peer in bench/peers/. A peer says what it cannot do, in a refusal; it never computes
// something else than the program says. Those that are libraries are modules, loaded when they are
// asked for: a volute that nobody asks for them starts without them.
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
  /// Brings the results to the caller's memory where `run` leaves them in the library's own, as it
  /// would for its user. Not timed.
  virtual void deliver() {}
  /// What the library does, in its words: "brgconv:avx512_core between two reorders".
  virtual std::string how() const { return ""; }
};

/// The ways in which a library gets from the caller's layout to the caller's layout that are worth
/// timing: its own kernel for that layout, its best kernel between reorders. The fastest counts.
using Ways = std::vector<std::unique_ptr<PreparedPeer>>;

class Peer {
public:
  virtual ~Peer() = default;
  /// As `--against` names it.
  virtual std::string_view name() const = 0;
  /// Of the library: "oneDNN 2.6.3".
  virtual std::string version() const { return ""; }
  /// Everything that happens once: choosing an algorithm, packing weights. Weights and biases are
  /// taken as constant from here on. Not timed.
  virtual Expected<Ways> ways(const ir::Program& program, const Tensors& tensors,
                              int threads) const = 0;
  /// The first of them, on one thread.
  Expected<std::unique_ptr<PreparedPeer>> prepare(const ir::Program& program,
                                                  const Tensors& tensors) const;
};

/// A peer that this project has a module for, whether or not it was built here.
struct PeerEntry {
  std::string_view name;
  std::string_view library; // as people call it
  std::string_view package; // Debian's, that the build looks for
};
const std::vector<PeerEntry>& known_peers();

/// The peer of that name; loads its module. Refused with what is missing, if anything.
Expected<const Peer*> find_peer(std::string_view name);
/// Whether its module is there.
bool is_built(std::string_view name);

/// The elements of a named tensor, or why they are not there: no such name, too few bytes, an
/// address that is no multiple of their size.
Expected<std::byte*> memory_of(const Tensors& tensors, const std::string& name,
                               const ir::TensorType& type);
Expected<float*> floats_of(const Tensors& tensors, const std::string& name,
                           const ir::TensorType& type);

} // namespace volute::bench

/// What a module exports.
extern "C" const volute::bench::Peer* volute_peer();
