// A peer that computes single layers, as libraries with one function an operator do.
#pragma once

#include "bench/peer.h"
#include "bench/problem.h"

namespace volute::bench {

/// Of a library that throws nothing.
struct NoError {
  const char* what() const { return ""; }
};

/// What a peer of libraries has to say of itself: its names, and its ways with a layer. What the
/// library throws on the way, an Error, is a refusal in the library's words.
template <class Error = NoError>
class LayerPeer : public Peer {
public:
  using WaysOf = Expected<Ways> (*)(const Problem&, const Tensors&, int threads);
  using Words = std::string (*)(const Error&);

  LayerPeer(
      std::string_view name, std::string version, WaysOf ways_of,
      Words words = [](const Error& error) { return std::string(error.what()); })
      : name_(name), version_(std::move(version)), ways_of_(ways_of), words_(words) {}

  std::string_view name() const override { return name_; }
  std::string version() const override { return version_; }
  Expected<Ways> ways(const ir::Program& program, const Tensors& tensors,
                      int threads) const override {
    const Expected<Problem> problem = problem_of(program);
    if (!problem) return problem.failure();
    try {
      return ways_of_(*problem, tensors, threads);
    } catch (const Error& error) {
      return fail(std::string(name_), words_(error));
    }
  }

private:
  std::string_view name_;
  std::string version_;
  WaysOf ways_of_;
  Words words_;
};

} // namespace volute::bench
