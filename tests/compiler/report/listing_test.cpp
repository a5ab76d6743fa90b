// What instructions do, and the way from a text to a listing; of compiled programs:
// codegen/lines_test.

#include "compiler/report/listing.h"
#include "tests/support/catch.h"

#include <algorithm>

using namespace volute;
using compiler::CodeWork;
using compiler::Listing;

// ---- one instruction --------------------------------------------------------------------------

TEST_CASE("instructions are counted by what they do to memory") {
  struct Case {
    const char* instruction;
    int64_t multiply_adds, loads, load_bytes, stores, store_bytes;
  };
  static const Case cases[] = {
      {"\tvfmadd231ps\t%ymm0, %ymm1, %ymm2", 1, 0, 0, 0, 0},
      {"\tvfmadd231ps\t64(%rdi,%rax,4), %ymm1, %ymm2", 1, 1, 32, 0, 0},
      {"\tvfmadd231ps\t(%rdi){1to16}, %zmm1, %zmm2", 1, 1, 4, 0, 0},
      {"\tvfnmadd231sd\t(%rdi), %xmm1, %xmm2", 1, 1, 8, 0, 0},
      {"\tvpdpbusd\t(%rdi){1to8}, %ymm1, %ymm2", 1, 1, 4, 0, 0},
      {"\t{vex} vpdpbusd\t%ymm0, %ymm1, %ymm2", 1, 0, 0, 0, 0},
      {"\tvmovups\t(%rdi), %zmm1", 0, 1, 64, 0, 0},
      {"\tvmovups\t%xmm1, -16(%rdi)", 0, 0, 0, 1, 16},
      {"\tvmovss\t(%rdi), %xmm1", 0, 1, 4, 0, 0},
      {"\tmovsd\t%xmm1, (%rdi)", 0, 0, 0, 1, 8},
      {"\tvmaskmovps\t%ymm1, %ymm0, (%rdi,%r8,4)", 0, 0, 0, 1, 32},
      {"\tvbroadcastss\t(%rdi), %zmm1", 0, 1, 4, 0, 0},
      {"\tvbroadcastf32x4\t(%rdi), %zmm1", 0, 1, 16, 0, 0},
      {"\tvpmovzxbd\t(%rdi), %zmm1", 0, 1, 16, 0, 0},
      {"\tvpmovdb\t%zmm1, (%rdi)", 0, 0, 0, 1, 16},
      {"\tvextractf128\t$1, %ymm4, 16(%rdi)", 0, 0, 0, 1, 16},
      {"\tvextractps\t$2, %xmm4, 8(%rax,%r8,4)", 0, 0, 0, 1, 4},
      {"\tvmovlps\t%xmm4, (%rax)", 0, 0, 0, 1, 8},
      {"\tvpmaxsd\t(%rdi), %ymm1, %ymm2", 0, 1, 32, 0, 0},
      {"\tvmaxss\t(%rdi), %xmm1, %xmm2", 0, 1, 4, 0, 0},
      {"\tvcvtph2ps\t(%rdi), %zmm1", 0, 1, 32, 0, 0},
      {"\tmovzbl\t(%rdi), %eax", 0, 1, 1, 0, 0},
      {"\tmovslq\t(%rdi), %rax", 0, 1, 4, 0, 0},
      {"\tmovq\t(%rdi), %rax", 0, 1, 8, 0, 0},
      {"\tmovl\t$1, (%rdi)", 0, 0, 0, 1, 4},
      {"\taddq\t%rax, (%rdi)", 0, 1, 8, 1, 8},
      {"\tcmpq\t%rax, (%rdi)", 0, 1, 8, 0, 0},
      {"\tleaq\t(%rdi,%rax), %rcx", 0, 0, 0, 0, 0},
      {"\tprefetcht0\t512(%rdi)", 0, 0, 0, 0, 0},
      {"\tjl\t.LBB0_2", 0, 0, 0, 0, 0},
      {"\tretq", 0, 0, 0, 0, 0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.instruction);
    const CodeWork work = compiler::work_of(c.instruction, false);
    CHECK(work.instructions == 1);
    CHECK(work.multiply_adds == c.multiply_adds);
    CHECK(work.loads == c.loads);
    CHECK(work.load_bytes == c.load_bytes);
    CHECK(work.stores == c.stores);
    CHECK(work.store_bytes == c.store_bytes);
    CHECK(work.vector_spills + work.vector_reloads + work.scalar_spills + work.scalar_reloads == 0);
  }
}

TEST_CASE("what lies on the function's own stack is a spill and nothing else") {
  const CodeWork store = compiler::work_of("\tvmovups\t%zmm1, 64(%rsp)", false);
  CHECK(store.vector_spills == 1);
  CHECK(store.vector_reloads + store.stores + store.loads == 0);
  const CodeWork folded = compiler::work_of("\tvfmadd231ps\t-96(%rsp), %ymm1, %ymm2", false);
  CHECK(folded.vector_reloads == 1);
  CHECK(folded.multiply_adds == 1);
  CHECK(folded.loads == 0);
  const CodeWork scalar = compiler::work_of("\tmovq\t%rax, 8(%rsp)", false);
  CHECK(scalar.scalar_spills == 1);
  CHECK(scalar.vector_spills == 0);
  // %rbp is a pointer like others unless the function says that it is its frame.
  CHECK(compiler::work_of("\tvmovups\t-64(%rbp), %ymm1", false).loads == 1);
  CHECK(compiler::work_of("\tvmovups\t-64(%rbp), %ymm1", true).vector_reloads == 1);
}

TEST_CASE("loops are found with their depth, and what debuggers are told is left out") {
  const std::string assembly = "\t.text\n"
                               "\t.file\t\"p\"\n"
                               "\t.globl\tstep0\n"
                               "step0:\n"
                               ".Lfunc_begin0:\n"
                               "\t.file\t1 \"p.loops\"\n"
                               "\t.loc\t1 5 0\n"
                               "\t.cfi_startproc\n"
                               "\txorl\t%eax, %eax\n"
                               ".LBB0_1:\n"
                               ".Ltmp0:\n"
                               "\t.loc\t1 7 3 is_stmt 1\n"
                               "\tvmovups\t(%rdi), %ymm0\n"
                               ".LBB0_2:\n"
                               "\tvfmadd231ps\t(%rsi), %ymm0, %ymm1\n"
                               "\t.loc\t1 6 1\n"
                               "\tjl\t.LBB0_2\n"
                               "\tjl\t.LBB0_3\n"
                               "\tjl\t.LBB0_1\n"
                               ".LBB0_3:\n"
                               "\t.loc\t1 0 0\n"
                               "\tretq\n"
                               ".Lfunc_end0:\n"
                               "\t.size\tstep0, .Lfunc_end0-step0\n"
                               "\t.section\t.debug_info,\"\",@progbits\n"
                               "\t.byte\t1\n"
                               "\t.section\t\".note.GNU-stack\",\"\",@progbits\n";
  ir::LoopProgram program;
  program.sources = {{{4}}, {{1}}, {{2, 3}}};
  const Listing listing = compiler::listing_of(assembly, {}, program);
  CHECK(listing.text() == "\t.text\n\t.file\t\"p\"\n\t.globl\tstep0\nstep0:\n"
                          "\txorl\t%eax, %eax\n.LBB0_1:\n\tvmovups\t(%rdi), %ymm0\n.LBB0_2:\n"
                          "\tvfmadd231ps\t(%rsi), %ymm0, %ymm1\n\tjl\t.LBB0_2\n\tjl\t.LBB0_3\n"
                          "\tjl\t.LBB0_1\n.LBB0_3:\n\tretq\n.Lfunc_end0:\n"
                          "\t.size\tstep0, .Lfunc_end0-step0\n"
                          "\t.section\t\".note.GNU-stack\",\"\",@progbits\n");
  REQUIRE(listing.steps.size() == 1);
  const Listing::Step& step = listing.steps[0];
  CHECK(listing.lines[step.begin].text == "step0:");
  CHECK(listing.lines[step.end].text == ".Lfunc_end0:");
  REQUIRE(step.loops.size() == 2);
  CHECK(listing.lines[step.loops[0].begin].text == ".LBB0_1:");
  CHECK(step.loops[0].depth == 1);
  CHECK_FALSE(step.loops[0].innermost);
  CHECK(step.loops[0].work.loads == 2);
  CHECK(step.loops[0].work.instructions == 5);
  CHECK(listing.lines[step.loops[1].begin].text == ".LBB0_2:");
  CHECK(step.loops[1].depth == 2);
  CHECK(step.loops[1].innermost);
  CHECK(step.loops[1].work.multiply_adds == 1);
  CHECK(step.loops[1].work.load_bytes == 32);

  const auto line = [&](const std::string& text) {
    return *std::find_if(listing.lines.begin(), listing.lines.end(),
                         [&](const Listing::Line& l) { return l.text == text; });
  };
  CHECK(line("\txorl\t%eax, %eax").place == compiler::CodePlace{5, ir::no_source});
  CHECK(line("\tvmovups\t(%rdi), %ymm0").place == compiler::CodePlace{7, 2});
  CHECK(listing.sources_of(line("\tvmovups\t(%rdi), %ymm0")).statements ==
        std::vector<int32_t>{2, 3});
  CHECK(line("\tjl\t.LBB0_1").place == compiler::CodePlace{6, 0});
  CHECK(line("\tretq").place == compiler::CodePlace{0, ir::no_source});
  CHECK(listing.sources_of(line("\tretq")).empty());
}
