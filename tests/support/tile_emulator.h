// A matrix unit for machines that have none: instructions on tiles raise SIGILL there, and a
// handler does what they would have done, on registers of the thread's own, and goes on behind
// them. So code for tiles runs in tests everywhere, byte for byte as it is, a thousand times
// slower.
//
// It is written from the manual's pseudo-code and by the processor's own multiply-adds with
// denormals off; it shares nothing with the evaluator of loops, which it is compared with.
#pragma once

#include <cstdint>
#include <string>

namespace volute::tests {

/// Whether the processor has matrix instructions and the system grants their use.
bool has_tiles();

/// While it lives, this process executes them: on the processor itself where it has_tiles. One at a
/// time; threads may run within it.
class TileEmulator {
public:
  TileEmulator();
  ~TileEmulator();
  TileEmulator(const TileEmulator&) = delete;
  TileEmulator& operator=(const TileEmulator&) = delete;

  /// Instructions that were emulated so far, in all threads; 0 where the processor has them.
  static int64_t executed();
};

/// For a handler of SIGILL that is somebody else's: does the instruction that was met, if it is one
/// on tiles, and sets the context (a ucontext_t) behind it.
bool emulate_tile_instruction(void* context);

/// "native+amx-..." where such code may run on this machine under the emulator: this machine's own
/// features, and tiles.
std::string native_with_tiles();

} // namespace volute::tests
