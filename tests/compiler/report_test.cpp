#include "compiler/report.h"
#include "tests/support/catch.h"

using volute::compiler::NestReport;
using volute::compiler::Report;

TEST_CASE("a report is a page: the work, the choices, the image, the time", "[report]") {
  Report report;
  report.program = "p";
  report.target = "haswell";
  report.llvm = "19.1.7";
  report.parameters = 9472;
  report.multiply_adds = 115605504;
  report.bytes = 1442816;
  report.fusion = {"conv %0, relu %y run as one nest"};
  NestReport nest;
  nest.name = "conv";
  nest.origin = "conv %0, relu %y";
  nest.schedule = "parallel o by 32, h\nfor w by 14\n";
  nest.why = {"the inner loop is bound by FMA"};
  nest.candidates = {{"parallel o by 32, h\nfor w by 14", 1234567, "FMA"}};
  nest.multiply_adds = 75;
  nest.executed_multiply_adds = 100;
  nest.registers = 28;
  nest.register_tile = "14 w x 2 o of f32x8";
  nest.code_bytes = 20480;
  nest.packed_bytes = 36864;
  nest.work_items = 112;
  report.nests = {nest};
  report.text_bytes = 20480;
  report.constant_bytes = 64;
  report.emit_ms = 1.5;
  CHECK(to_string(report) == R"(program @p
  target         haswell
  LLVM           19.1.7
  parameters     9,472
  multiply-adds  115,605,504 (taps in the padding left out)
  bytes          1,442,816 (inputs and outputs, each once)
  intensity      160.25 floating-point operations a byte

fusion
  conv %0, relu %y run as one nest

nest conv: conv %0, relu %y
  multiply-adds  100 executed for 75 asked for: 75.0 % are useful
  work items     112
  register tile  14 w x 2 o of f32x8 (28 registers)
  packed weight  36.0 KiB
  code           20.0 KiB
  schedule
    parallel o by 32, h
    for w by 14
  why
    the inner loop is bound by FMA
  candidates, best first: predicted cycles, what bounds them, schedule
       1,234,567  FMA       parallel o by 32, h; for w by 14

image
  code           20.0 KiB
  constants      64 bytes
  workspace      0 bytes
  scratch        0 bytes a thread

time
  1.5 ms: lower 0.0, emit 1.5, object 0.0, link 0.0
)");
}

TEST_CASE("a report without code has no image, and a copy no multiply-adds", "[report]") {
  Report report;
  report.program = "p";
  NestReport nest;
  nest.name = "reorder";
  report.nests = {nest};
  const std::string text = to_string(report);
  CHECK(text.find("image") == std::string::npos);
  CHECK(text.find("  multiply-adds  none\n") != std::string::npos);
  CHECK(text.find("    // every axis a plain loop\n") != std::string::npos);
}

TEST_CASE("a report tells what sharing memory saves between steps", "[report]") {
  Report report;
  report.target = "haswell";
  report.text_bytes = 64;
  report.workspace_bytes = report.intermediate_bytes = 4096;
  CHECK(to_string(report).find("  workspace      4096 bytes\n") != std::string::npos);
  report.intermediate_bytes = 9000;
  CHECK(to_string(report).find("  workspace      4096 bytes, shared by buffers of 9000 bytes that "
                               "are not needed at the same time\n") != std::string::npos);
}

TEST_CASE("fewer multiply-adds than asked for are a constant weight's zeros") {
  Report report;
  report.nests.emplace_back();
  report.nests[0].multiply_adds = 90;
  report.nests[0].executed_multiply_adds = 50;
  CHECK(to_string(report).find("50 executed for 90 asked for: weights that are 0 are left out") !=
        std::string::npos);
}
