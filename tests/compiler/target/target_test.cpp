#include "compiler/target/target.h"
#include "tests/support/catch.h"

using namespace volute::compiler;
using volute::to_string;

namespace {

constexpr uint64_t sse_state = 0x3, avx_state = 0x7, avx512_state = 0xe7;

CpuidRegisters vendor_leaf(const char* vendor) {
  const auto word = [&](int at) {
    uint32_t w = 0;
    for (int i = 3; i >= 0; --i) w = w << 8 | static_cast<unsigned char>(vendor[at + i]);
    return w;
  };
  return {0x20, word(0), word(8), word(4)};
}

// A Core i7-4770, as CPUID answers on the bare machine.
CpuidRecord haswell() {
  CpuidRecord r;
  r.leaves[{0, 0}] = vendor_leaf("GenuineIntel");
  r.leaves[{1, 0}] = {0x000306c3, 0x00100800, 0x7ffafbbf, 0xbfebfbff};
  r.leaves[{4, 0}] = {0x1c004121, 0x01c0003f, 0x0000003f, 0};
  r.leaves[{4, 1}] = {0x1c004122, 0x01c0003f, 0x0000003f, 0};
  r.leaves[{4, 2}] = {0x1c004143, 0x01c0003f, 0x000001ff, 0};
  r.leaves[{4, 3}] = {0x1c03c163, 0x03c0003f, 0x00001fff, 6};
  r.leaves[{7, 0}] = {0, 0x000027ab, 0, 0};
  r.leaves[{0x80000001, 0}] = {0, 0, 0x00000021, 0x2c100800};
  r.xcr0 = avx_state;
  return r;
}

// A Ryzen 9 7950X.
CpuidRecord zen4() {
  CpuidRecord r;
  r.leaves[{0, 0}] = vendor_leaf("AuthenticAMD");
  r.leaves[{1, 0}] = {0x00a60f12, 0x00200800, 0x7ed8320b, 0x178bfbff};
  r.leaves[{7, 0}] = {1, 0xf1bf97a9, 0x00405fce, 0x10000010};
  r.leaves[{7, 1}] = {0x00000020, 0, 0, 0};
  r.leaves[{0x80000001, 0}] = {0, 0, 0x75c237ff, 0x2fd3fbff};
  r.leaves[{0x8000001d, 0}] = {0x00004121, 0x01c0003f, 0x0000003f, 0};
  r.leaves[{0x8000001d, 1}] = {0x00004122, 0x01c0003f, 0x0000003f, 0};
  r.leaves[{0x8000001d, 2}] = {0x00004143, 0x01c0003f, 0x000007ff, 2};
  r.leaves[{0x8000001d, 3}] = {0x0003c163, 0x03c0003f, 0x00007fff, 1};
  r.xcr0 = avx512_state;
  return r;
}

// The same under a hypervisor that hides AVX-512 but keeps the family and model.
CpuidRecord zen4_without_avx512() {
  CpuidRecord r = zen4();
  r.leaves[{7, 0}] = {1, 0xf1bf97a9 & ~0xd0230000u, 0x00405fce & ~0x00005842u, 0x10000010};
  r.leaves[{7, 1}] = {};
  r.xcr0 = avx_state;
  return r;
}

// A Sapphire Rapids guest whose model number (167) is that of Rocket Lake.
CpuidRecord sapphire_rapids_guest() {
  CpuidRecord r;
  r.leaves[{0, 0}] = vendor_leaf("GenuineIntel");
  r.leaves[{1, 0}] = {0x000a0678, 0x00020800, 0xfffa3203, 0x1f8bfbff};
  r.leaves[{4, 0}] = {0x04000121, 0x02c0003f, 0x0000003f, 0};
  r.leaves[{4, 1}] = {0x04000122, 0x01c0003f, 0x0000003f, 0};
  r.leaves[{4, 2}] = {0x04000143, 0x03c0003f, 0x000007ff, 0};
  r.leaves[{4, 3}] = {0x04004163, 0x0380003f, 0x0001bfff, 4};
  r.leaves[{7, 0}] = {2, 0xf1bf27eb, 0x1b415fde, 0xbfd14410};
  r.leaves[{7, 1}] = {0x00001c30, 0, 0, 0};
  r.leaves[{0x80000001, 0}] = {0, 0, 0x00000121, 0x2c100800};
  r.leaves[{0x80000002, 0}] = {0x65746e49, 0x2952286c, 0x6f655820, 0x2952286e};
  r.leaves[{0x80000003, 0}] = {0x6f725020, 0x73736563, 0x0000726f, 0};
  r.leaves[{0x80000008, 0}] = {0x002e392e, 0x0100d200, 0, 0};
  r.xcr0 = 0x602e7;
  return r;
}

Target parsed(std::string_view text) { return parse_target(text).value(); }

std::string refusal(std::string_view text) {
  const auto target = parse_target(text);
  REQUIRE_FALSE(target);
  return to_string(target.diagnostics().front());
}

} // namespace

TEST_CASE("a Haswell is recognised by its features, with its caches", "[target]") {
  const Target t = target_from(haswell());
  CHECK(t.name == "skylake"); // the same instructions: rates differ in latency only
  CHECK(t.features == parsed("haswell").features);
  CHECK(t.vector_bytes == 32);
  CHECK(t.vector_registers == 16);
  CHECK(t.has_fma);
  CHECK_FALSE(t.has_masks);
  CHECK(t.l1_bytes == 32 << 10);
  CHECK(t.l2_bytes == 256 << 10);
  CHECK(t.l3_bytes == 8 << 20);
}

TEST_CASE("a Zen 4 has 512-bit vectors at one FMA a cycle", "[target]") {
  const Target t = target_from(zen4());
  CHECK(t.name == "znver4");
  CHECK(t.features == parsed("znver4").features);
  CHECK(t.vector_bytes == 64);
  CHECK(t.vector_registers == 32);
  CHECK(t.fma_per_cycle == 1);
  CHECK(t.rates(64).fma == 1);
  CHECK(t.rates(32).fma == 2); // one of 64 bytes takes both units
  CHECK(t.rates(16).fma == 2);
  CHECK(t.stores_per_cycle == 0.5);
  CHECK(t.l2_bytes == 1 << 20);
  CHECK(t.l3_bytes == 32 << 20);
}

TEST_CASE("a Zen 4 under a hypervisor that hides AVX-512 is a 256-bit machine", "[target]") {
  const Target t = target_from(zen4_without_avx512());
  CHECK(t.name == "znver3");
  CHECK(t.vector_bytes == 32);
  CHECK(t.fma_per_cycle == 2);
  CHECK(t.has("avx2"));
  CHECK(t.has("gfni"));
  for (const std::string& feature : t.features) CHECK(feature.substr(0, 6) != "avx512");
  CHECK(llvm_features(t).find("-avx512f") != std::string::npos);
}

TEST_CASE("a wrong model number does not matter: features name the CPU", "[target]") {
  const CpuidRecord record = sapphire_rapids_guest();
  const Target t = target_from(record);
  CHECK(t.name == "sapphirerapids");
  CHECK(t.has("avx512fp16"));
  CHECK(t.has("avx512bf16"));
  CHECK(t.fma_per_cycle == 2);
  CHECK(t.accumulators_to_hide_latency() == 8);
  CHECK(t.l1_bytes == 48 << 10);
  CHECK(t.l3_bytes == int64_t{105} << 20);
  CHECK(record.vendor() == "GenuineIntel");
  CHECK(record.brand() == "Intel(R) Xeon(R) Processor");
  CHECK(record.is_virtual());
}

TEST_CASE("registers that the operating system does not save are not used", "[target]") {
  CpuidRecord record = sapphire_rapids_guest();
  record.xcr0 = avx_state;
  const Target without_zmm = target_from(record);
  CHECK(without_zmm.name == "alderlake");
  CHECK(without_zmm.vector_bytes == 32);
  CHECK_FALSE(without_zmm.has("avx512f"));
  CHECK(without_zmm.has("avxvnni"));

  record.xcr0 = 0xc7; // zmm16 to zmm31 and the upper halves, but not the mask registers
  CHECK(target_from(record).vector_bytes == 32);

  record.xcr0 = sse_state;
  const Target without_ymm = target_from(record);
  CHECK(without_ymm.vector_bytes == 16);
  CHECK_FALSE(without_ymm.has("avx"));
  CHECK_FALSE(without_ymm.has_fma);
  CHECK(without_ymm.has("sse4.2"));
}

TEST_CASE("a feature whose requirement is masked is absent", "[target]") {
  CpuidRecord record = haswell();
  record.leaves[{1, 0}].ecx &= ~(1u << 28); // AVX hidden, AVX2 and FMA still announced
  const Target t = target_from(record);
  CHECK_FALSE(t.has("avx2"));
  CHECK_FALSE(t.has("fma"));
  CHECK(t.vector_bytes == 16);
}

TEST_CASE("an Ice Lake with one 512-bit FMA unit is told from one with two", "[target]") {
  CpuidRecord record = sapphire_rapids_guest();
  record.leaves[{7, 1}] = {};
  record.leaves[{7, 0}].edx &= ~(1u << 23);
  CHECK(target_from(record).name == "icelake-server");
  record.leaves[{0x80000008, 0}].ebx &= ~(1u << 9);
  CHECK(target_from(record).name == "rocketlake");
  CHECK(target_from(record).fma_per_cycle == 1);
}

TEST_CASE("a vendor that is not known gets a plain level", "[target]") {
  CpuidRecord record = haswell();
  record.leaves[{0, 0}] = vendor_leaf("CentaurHauls");
  CHECK(target_from(record).name == "x86-64-v3");
}

TEST_CASE("a machine without CPUID runs nothing", "[target]") {
  const Target none = target_from({});
  CHECK(none.name.empty());
  CHECK_FALSE(runs_on(parsed("x86-64"), none));
  CHECK(list_targets(none).find("not an x86-64 CPU") != std::string::npos);
}

TEST_CASE("cache sizes of a name stand in for those that a hypervisor hides", "[target]") {
  CpuidRecord record = zen4();
  record.leaves.erase({0x8000001d, 0});
  const Target t = target_from(record);
  CHECK(t.l1_bytes == 32 << 10);
  CHECK(t.l2_bytes == 1 << 20);
}

TEST_CASE("the host is one of the named CPUs and runs itself", "[target]") {
  const Target& here = host();
  REQUIRE_FALSE(here.name.empty());
  CHECK(runs_on(here, here));
  CHECK(parsed("native") == here);
  CHECK(parsed(to_string(here)) == here);
  CHECK(parsed(short_text(here)) == here);
#if defined(__x86_64__)
  // The compiler's run-time support asks CPUID and XGETBV on its own.
  CHECK(here.has("avx") == static_cast<bool>(__builtin_cpu_supports("avx")));
  CHECK(here.has("avx2") == static_cast<bool>(__builtin_cpu_supports("avx2")));
  CHECK(here.has("fma") == static_cast<bool>(__builtin_cpu_supports("fma")));
  CHECK(here.has("avx512f") == static_cast<bool>(__builtin_cpu_supports("avx512f")));
  CHECK(here.has("avx512vl") == static_cast<bool>(__builtin_cpu_supports("avx512vl")));
  CHECK(here.has("avx512vnni") == static_cast<bool>(__builtin_cpu_supports("avx512vnni")));
#endif
}

TEST_CASE("the canonical text of every target parses back to the same target", "[target]") {
  for (const std::string_view name : target_names()) {
    CAPTURE(name);
    const Target t = parsed(name);
    CHECK(t.name == name);
    CHECK(parsed(to_string(t)) == t);
    CHECK(short_text(t) == name);
  }
  for (const char* text :
       {"znver4-avx512f", "haswell+avxvnni", "skylake-avx512-avx512vl,+avx512bf16,l2=3M",
        "x86-64+fma", "sapphirerapids-fma", "x86-64-v3,l3=0",
        "znver4-avx512vl,+avxvnni,l1=40000"}) {
    CAPTURE(text);
    const Target t = parsed(text);
    CHECK(parsed(to_string(t)) == t);
    CHECK(parsed(short_text(t)) == t);
  }
}

TEST_CASE("the canonical text lists every feature, so that it is a key", "[target]") {
  CHECK(to_string(parsed("x86-64-v2,l3=3000")) ==
        "x86-64-v2+popcnt,+sse3,+sse4.1,+sse4.2,+ssse3,l1=32K,l2=256K,l3=3000");
  CHECK(to_string(parsed("x86-64-v2-sse4.1")) ==
        "x86-64-v2-sse4.1,-sse4.2,+popcnt,+sse3,+ssse3,l1=32K,l2=256K,l3=8M");
  CHECK(to_string(parsed("haswell")) != to_string(parsed("haswell-fma")));
  CHECK(to_string(parsed("haswell")) != to_string(parsed("broadwell")));
  CHECK(to_string(parsed("haswell")) != to_string(parsed("haswell,l2=512K")));
}

TEST_CASE("the short text holds only what differs from the name", "[target]") {
  CHECK(short_text(parsed("znver4-avx512f")) == "znver4-avx512f");
  CHECK(short_text(parsed("znver3+avx512fp16")) == "znver3+avx512fp16");
  CHECK(short_text(parsed("haswell+avx2,+fma,l2=256K")) == "haswell");
  CHECK(short_text(target_from(sapphire_rapids_guest())) == "sapphirerapids,l3=105M");
}

TEST_CASE("a matrix unit is there where the system saves its registers", "[target]") {
  CpuidRecord record = sapphire_rapids_guest();
  const Target all = target_from(record);
  CHECK(all.has("amx-tile"));
  CHECK(all.has("amx-bf16"));
  CHECK(all.has("amx-int8"));
  record.xcr0 &= ~uint64_t{1 << 18};
  CHECK(short_text(target_from(record)) == "sapphirerapids-amx-tile,l3=105M");
  CHECK(target_from(record).fma_per_cycle == all.fma_per_cycle);
  CHECK(short_text(without_tiles(all)) == short_text(target_from(record)));
  record = sapphire_rapids_guest();
  record.leaves[{7, 0}].edx &= ~(1u << 25);
  CHECK(short_text(target_from(record)) == "sapphirerapids-amx-int8,l3=105M");
}

TEST_CASE("features whose names have dashes are named as they are", "[target]") {
  CHECK(parsed("znver4+amx-bf16").has("amx-tile"));
  CHECK_FALSE(parsed("sapphirerapids-amx-tile").has("amx-bf16"));
  CHECK_FALSE(parsed("sapphirerapids-amx-tile-avx512bf16").has("avx512bf16"));
  CHECK(parsed(to_string(parsed("znver4+amx-int8"))) == parsed("znver4+amx-int8"));
  CHECK(refusal("znver4+amx-fp16").find("unknown feature 'amx'") != std::string::npos);
}

TEST_CASE("a target names its units, and their rates", "[target]") {
  const auto units = [](std::string_view target) {
    std::string text;
    for (const Unit& unit : parsed(target).units()) text += to_string(unit) + "\n";
    return text;
  };
  CHECK(units("haswell") == "fma f32: 16 products a cycle\n");
  CHECK(units("znver4") == "fma f32: 16 products a cycle\n"
                           "dot bf16 into f32: 32 products a cycle\n"
                           "dot u8 by i8 into i32: 64 products a cycle\n");
  CHECK(units("sapphirerapids") == "fma f32: 32 products a cycle\n"
                                   "dot bf16 into f32: 16 products a cycle\n"
                                   "dot u8 by i8 into i32: 128 products a cycle\n"
                                   "tile bf16 into f32: 512 products a cycle\n"
                                   "tile u8 by i8 into i32: 1024 products a cycle\n");
  CHECK(parsed("sapphirerapids").products_per_cycle(volute::ir::ElementType::bf16) == 512);
  CHECK(parsed("sapphirerapids-amx-tile").products_per_cycle(volute::ir::ElementType::bf16) == 16);
  CHECK(parsed("haswell").products_per_cycle(volute::ir::ElementType::bf16) == 0);
}

TEST_CASE("a feature brings what it requires and takes along what requires it", "[target]") {
  const Target more = parsed("x86-64+avx512fp16");
  for (const char* feature : {"avx", "avx2", "avx512bw", "avx512f", "avx512vl", "f16c", "fma"})
    CHECK(more.has(feature));
  CHECK(more.vector_bytes == 64);
  CHECK(more.has_masks);

  const Target less = parsed("sapphirerapids-avx");
  CHECK(less.vector_bytes == 16);
  CHECK_FALSE(less.has("fma"));
  CHECK_FALSE(less.has("avxvnni"));
  CHECK(less.has("sse4.2"));
}

TEST_CASE("a CPU's name may contain dashes", "[target]") {
  CHECK(parsed("skylake-avx512").vector_bytes == 64);
  CHECK(parsed("skylake-avx2").vector_bytes == 32);
  CHECK_FALSE(parsed("skylake-avx2").has("avx2"));
  CHECK(parsed("x86-64-v4").has("avx512dq"));
  CHECK(parsed("x86-64-popcnt").name == "x86-64");
  CHECK_FALSE(parsed("x86-64-v2-popcnt").has("popcnt"));
}

TEST_CASE("rates follow the width in use", "[target]") {
  CHECK(parsed("icelake-server").fma_per_cycle == 2);
  CHECK(parsed("rocketlake").fma_per_cycle == 1);
  CHECK(parsed("rocketlake-avx512f").fma_per_cycle == 2);
  CHECK(parsed("haswell").accumulators_to_hide_latency() == 10);
  CHECK(parsed("haswell-fma").fma_per_cycle == 1); // a product and a sum on two units
  CHECK(parsed("haswell+avx512f").fma_per_cycle == 1);
  CHECK(parsed("znver4").lanes(4) == 16);
  CHECK(parsed("haswell").lanes(2) == 16);
}

TEST_CASE("code generation is told of every feature, present or not", "[target]") {
  const std::string text = llvm_features(parsed("haswell"));
  CHECK(text.find("+avx2,") != std::string::npos);
  CHECK(text.find("-avx512f,") != std::string::npos);
  CHECK(text.find("-avxvnni,") != std::string::npos);
  CHECK(text.find("-evex512") != std::string::npos);
  CHECK(llvm_features(parsed("znver4")).find("+evex512") != std::string::npos);
  CHECK(llvm_cpu == "x86-64");
  CHECK(llvm_tune_cpu(parsed("znver4-avx512f")) == "znver4");
}

TEST_CASE("a machine says which features of a target it lacks", "[target]") {
  const Target here = target_from(haswell());
  CHECK(runs_on(parsed("x86-64-v3"), here));
  CHECK(missing_features(parsed("alderlake"), here) == std::vector<std::string>{"avxvnni", "gfni"});
  CHECK_FALSE(runs_on(parsed("x86-64-v4"), here));
}

TEST_CASE("the list of targets says what runs here and what is missing", "[target]") {
  const std::string list = list_targets(target_from(haswell()));
  CHECK(list.find("native = skylake ") != std::string::npos);
  CHECK(list.find("x86-64-v3        16 registers of 32 bytes; runs here\n") != std::string::npos);
  CHECK(list.find("alderlake        16 registers of 32 bytes; does not run here: no avxvnni, gfni\n"
                  "    x86-64-v3 avxvnni gfni\n") != std::string::npos);
  for (const std::string_view name : target_names())
    CHECK(list.find(std::string(name) + " ") != std::string::npos);
}

TEST_CASE("a refused target names the nearest one", "[target]") {
  CHECK(refusal("haswel") == "target: unknown CPU 'haswel' (the nearest known one is haswell)");
  CHECK(refusal("zenver4+fma") ==
        "target: unknown CPU 'zenver4' (the nearest known one is znver4)");
  CHECK(refusal("natvie") == "target: unknown CPU 'natvie' (the nearest known one is native)");
  CHECK(refusal("haswell+avx512vni") ==
        "target: unknown feature 'avx512vni' (the nearest known one is avx512vnni)");
  CHECK(refusal("x86-64-v3-sse2") == "target: 'sse2' is part of x86-64 and cannot be taken away");
  CHECK(parsed("x86-64+sse2") == parsed("x86-64"));
}

TEST_CASE("AArch64 is refused by name", "[target]") {
  for (const char* text : {"aarch64", "neoverse-n1", "cortex-a72+dotprod", "apple-m1", "arm64"})
    CHECK(refusal(text).find("is an AArch64 CPU, and only x86-64 is compiled for") !=
          std::string::npos);
}

TEST_CASE("malformed targets are refused", "[target]") {
  CHECK(refusal("") == "target: no CPU is named (write native, or a CPU such as x86-64-v3)");
  CHECK(refusal("+avx2").find("no CPU is named") != std::string::npos);
  CHECK(refusal("haswell,") ==
        "target: nothing stands after a ',' (write it as in x86-64-v3+avxvnni,-fma)");
  CHECK(refusal("haswell+fma,avx2").find("expected + or - before 'avx2'") != std::string::npos);
  CHECK(refusal("haswell+") ==
        "target: '+' without a feature after it (write it as in +avx2,-fma)");
  CHECK(refusal("haswell--fma").find("'-' without a feature") != std::string::npos);
  CHECK(refusal("haswell,l4=1M") == "target: unknown setting 'l4' (l1, l2 and l3 can be set)");
  CHECK(refusal("haswell,l1=1") ==
        "target: l1 = 1 is below 4096 bytes (the nearest valid value is 4K)");
  for (const char* text : {"haswell,l2=", "haswell,l2=K", "haswell,l2=3G", "haswell,l2=1.5M",
                           "haswell,l2=99999999999999999999", "haswell,l2=1048577M"}) {
    CAPTURE(text);
    CHECK(refusal(text).find("is not a size of at most 2^40 bytes (write bytes, or K or M after "
                             "the number, as in l2=2M)") != std::string::npos);
  }
  CHECK(refusal(std::string(5000, 'x')) ==
        "target: the text has 5000 characters, and at most 4096 make sense");
  CHECK(refusal(std::string(500, 'x')).find("unknown CPU") != std::string::npos);
}
