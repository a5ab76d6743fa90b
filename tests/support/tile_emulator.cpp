#include "tests/support/tile_emulator.h"

#include <array>
#include <atomic>
#include <cpuid.h>
#include <csignal>
#include <cstring>
#include <immintrin.h>
#include <stdexcept>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace volute::tests {
namespace {

constexpr int tiles = 8, most_rows = 16, most_bytes = 64;

struct TileRegisters {
  bool configured = false;
  std::array<int, tiles> rows = {}, bytes = {}; // of a row
  uint8_t data[tiles][most_rows][most_bytes] = {};
};
thread_local TileRegisters registers;

std::atomic<int64_t> count{0};
struct sigaction before;

// ---- where operands are -------------------------------------------------------------------------

struct Instruction {
  int prefix = 0; // VEX.pp: none, 66, F3, F2
  int opcode = 0, reg = 0, rm = 0, vvvv = 0;
  bool in_memory = false;
  uint64_t base = 0;  // of memory, displacement included
  uint64_t index = 0; // scaled: what rows are apart
  size_t length = 0;
};

uint64_t general(const ucontext_t& context, int number) {
  static constexpr int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
  return static_cast<uint64_t>(context.uc_mcontext.gregs[order[number]]);
}

/// VEX.128, map 0F38, W0: C4, inverted R X B and the map, W with inverted vvvv and pp.
bool decode(const uint8_t* code, const ucontext_t& context, Instruction& to) {
  if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x84) != 0) return false;
  const int r = code[1] & 0x80 ? 0 : 8, x = code[1] & 0x40 ? 0 : 8, b = code[1] & 0x20 ? 0 : 8;
  to.prefix = code[2] & 3;
  to.vvvv = ~(code[2] >> 3) & 15;
  to.opcode = code[3];
  const int modrm = code[4], mod = modrm >> 6;
  to.reg = (modrm >> 3 & 7) | r;
  to.rm = (modrm & 7) | b;
  const uint8_t* next = code + 5;
  to.in_memory = mod != 3;
  if (to.in_memory) {
    bool has_base = true;
    if ((modrm & 7) == 4) {
      const int sib = *next++;
      const int index = (sib >> 3 & 7) | x;
      if (index != 4) to.index = general(context, index) << (sib >> 6);
      has_base = (sib & 7) != 5 || mod != 0;
      if (has_base) to.base = general(context, (sib & 7) | b);
    } else {
      has_base = (modrm & 7) != 5 || mod != 0;
      if (has_base) to.base = general(context, to.rm);
    }
    int32_t displacement = 0;
    if (mod == 1) {
      displacement = static_cast<int8_t>(*next++);
    } else if (mod == 2 || !has_base) {
      std::memcpy(&displacement, next, sizeof displacement), next += 4;
    }
    to.base += static_cast<uint64_t>(int64_t{displacement});
    to.length = static_cast<size_t>(next - code);
    if (!has_base && (modrm & 7) == 5) // relative to what follows
      to.base += reinterpret_cast<uint64_t>(next);
    return true;
  }
  to.length = 5;
  return true;
}

// ---- what they do -------------------------------------------------------------------------------

/// From "Intel Architecture Instruction Set Extensions": bytes a row at 16, rows at 48.
bool load_configuration(const uint8_t* from) {
  registers = {};
  if (from[0] == 0) return true;
  if (from[0] != 1 || from[1] != 0) return false;
  for (int t = 0; t < tiles; ++t) {
    uint16_t bytes = 0;
    std::memcpy(&bytes, from + 16 + 2 * t, sizeof bytes);
    const int rows = from[48 + t];
    if (rows > most_rows || bytes > most_bytes || (rows == 0) != (bytes == 0)) return false;
    registers.rows[static_cast<size_t>(t)] = rows;
    registers.bytes[static_cast<size_t>(t)] = bytes;
  }
  registers.configured = true;
  return true;
}

float bf16_at(const uint8_t* row, int place) {
  uint16_t half = 0;
  std::memcpy(&half, row + 2 * place, sizeof half);
  const uint32_t whole = uint32_t{half} << 16;
  float value = 0;
  std::memcpy(&value, &whole, sizeof value);
  return value;
}

__attribute__((target("fma"))) float fma_of(float a, float b, float c) {
  return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
}

/// TDPBF16PS, as the manual has it; MXCSR is "not consulted".
void dot_of_bf16(uint8_t (*c)[most_bytes], const uint8_t (*a)[most_bytes],
                 const uint8_t (*b)[most_bytes], int m_rows, int k_pairs, int n_lanes) {
  const unsigned mxcsr = _mm_getcsr();
  _mm_setcsr(0x1f80 | _MM_FLUSH_ZERO_ON | 0x40 /* denormals are zeros */);
  for (int m = 0; m < m_rows; ++m) {
    float temp[2 * most_bytes / 4] = {};
    for (int k = 0; k < k_pairs; ++k)
      for (int n = 0; n < n_lanes; ++n) {
        temp[2 * n] = fma_of(bf16_at(a[m], 2 * k), bf16_at(b[k], 2 * n), temp[2 * n]);
        temp[2 * n + 1] =
            fma_of(bf16_at(a[m], 2 * k + 1), bf16_at(b[k], 2 * n + 1), temp[2 * n + 1]);
      }
    for (int n = 0; n < n_lanes; ++n) {
      float sum = 0;
      std::memcpy(&sum, &c[m][4 * n], sizeof sum);
      volatile float pair = temp[2 * n] + temp[2 * n + 1];
      sum = sum + pair;
      std::memcpy(&c[m][4 * n], &sum, sizeof sum);
    }
  }
  _mm_setcsr(mxcsr);
}

void dot_of_bytes(uint8_t (*c)[most_bytes], const uint8_t (*a)[most_bytes],
                  const uint8_t (*b)[most_bytes], int m_rows, int k_fours, int n_lanes,
                  bool a_signed, bool b_signed) {
  const auto widened = [](uint8_t byte, bool is_signed) {
    return is_signed ? int32_t{static_cast<int8_t>(byte)} : int32_t{byte};
  };
  for (int m = 0; m < m_rows; ++m)
    for (int k = 0; k < k_fours; ++k)
      for (int n = 0; n < n_lanes; ++n) {
        uint32_t sum = 0;
        std::memcpy(&sum, &c[m][4 * n], sizeof sum);
        for (int p = 0; p < 4; ++p)
          sum += static_cast<uint32_t>(widened(a[m][4 * k + p], a_signed) *
                                       widened(b[k][4 * n + p], b_signed));
        std::memcpy(&c[m][4 * n], &sum, sizeof sum);
      }
}

bool multiply(const Instruction& is) {
  const int c = is.reg, a = is.rm, b = is.vvvv;
  if (c >= tiles || a >= tiles || b >= tiles || a == b || a == c || b == c) return false;
  const auto rows = [](int t) { return registers.rows[static_cast<size_t>(t)]; };
  const auto bytes = [](int t) { return registers.bytes[static_cast<size_t>(t)]; };
  if (rows(c) == 0 || rows(a) == 0 || rows(b) == 0) return false;
  if (bytes(c) % 4 || bytes(a) % 4 || bytes(b) % 4) return false;
  if (rows(a) != rows(c) || bytes(b) != bytes(c) || bytes(a) / 4 != rows(b)) return false;
  uint8_t(*to)[most_bytes] = registers.data[c];
  const uint8_t(*left)[most_bytes] = registers.data[a];
  const uint8_t(*right)[most_bytes] = registers.data[b];
  const int steps = rows(b), lanes = bytes(c) / 4;
  if (is.opcode == 0x5c) {
    if (is.prefix != 2) return false;
    dot_of_bf16(to, left, right, rows(c), steps, lanes);
  } else { // 5e: UUD, USD, SUD, SSD by prefix
    dot_of_bytes(to, left, right, rows(c), steps, lanes, is.prefix >= 2,
                 is.prefix == 1 || is.prefix == 3);
  }
  return true;
}

/// Does the instruction; false for one that is none, or would fault.
bool execute(const Instruction& is) {
  auto* memory = reinterpret_cast<uint8_t*>(is.base);
  if (is.opcode == 0x49) {
    if (is.in_memory && is.reg == 0 && is.prefix == 0) return load_configuration(memory);
    if (!is.in_memory && is.prefix == 0 && is.reg == 0 && is.rm == 0) return registers = {}, true;
    if (!is.in_memory && is.prefix == 3 && is.rm == 0 && is.reg < tiles && registers.configured) {
      std::memset(registers.data[is.reg], 0, sizeof registers.data[is.reg]);
      return true;
    }
    return false;
  }
  if (!registers.configured) return false;
  if (is.opcode == 0x4b && is.in_memory && is.reg < tiles) {
    const auto t = static_cast<size_t>(is.reg);
    const auto bytes = static_cast<size_t>(registers.bytes[t]);
    if (registers.rows[t] == 0) return false;
    const bool stores = is.prefix == 2;
    if (is.prefix == 0) return false;
    if (!stores) std::memset(registers.data[t], 0, sizeof registers.data[t]);
    for (int r = 0; r < registers.rows[t]; ++r, memory += is.index)
      if (stores)
        std::memcpy(memory, registers.data[t][r], bytes);
      else
        std::memcpy(registers.data[t][r], memory, bytes);
    return true;
  }
  if ((is.opcode == 0x5c || is.opcode == 0x5e) && !is.in_memory) return multiply(is);
  return false;
}

// What is none of these meets again what was there before.
void on_illegal_instruction(int signal, siginfo_t*, void* context) {
  if (!emulate_tile_instruction(context)) sigaction(signal, &before, nullptr);
}

} // namespace

bool emulate_tile_instruction(void* data) {
  auto& context = *static_cast<ucontext_t*>(data);
  auto& at = context.uc_mcontext.gregs[REG_RIP];
  Instruction is;
  if (!decode(reinterpret_cast<const uint8_t*>(at), context, is) || !execute(is)) return false;
  ++count;
  at += static_cast<long>(is.length);
  return true;
}

bool has_tiles() {
  static const bool granted = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d >> 24 & 1) == 0) return false;
    constexpr int request = 0x1023, tile_data = 18; // ARCH_REQ_XCOMP_PERM
    return syscall(SYS_arch_prctl, request, tile_data) == 0;
  }();
  return granted;
}

TileEmulator::TileEmulator() {
  if (has_tiles()) return;
  struct sigaction action = {};
  action.sa_sigaction = on_illegal_instruction;
  action.sa_flags = SA_SIGINFO | SA_NODEFER; // a fault of memory that is touched here is a fault
  if (sigaction(SIGILL, &action, &before) != 0) throw std::runtime_error("no handler of SIGILL");
}

TileEmulator::~TileEmulator() {
  if (!has_tiles()) sigaction(SIGILL, &before, nullptr);
}

int64_t TileEmulator::executed() { return count; }

std::string native_with_tiles() { return "native+amx-bf16,+amx-int8"; }

} // namespace volute::tests
