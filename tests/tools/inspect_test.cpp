#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

std::string stage(const std::string& name, const std::string& options = "") {
  const Ran ran = run_volute("inspect examples/stem.vlt --stage " + name + " " + options);
  INFO(ran.err);
  CHECK(ran.status == 0);
  return ran.out;
}

std::vector<std::string> programs_in(const std::string& text) {
  std::vector<std::string> names;
  const std::regex head("(^|\n)program @([A-Za-z0-9_]+)");
  for (std::sregex_iterator at(text.begin(), text.end(), head), end; at != end; ++at)
    names.push_back((*at)[2]);
  return names;
}

} // namespace

TEST_CASE("the program stage prints what parses to the same program", "[inspect]") {
  const std::string text = stage("program");
  CHECK_THAT(text, StartsWith("program @stem(%x: f32[n=1, c=3, h=224, w=224]"));
  CHECK_THAT(text, ContainsSubstring("%y = max_pool %1 {kernel = 3, stride = 2, pad = 1}"));
  const TemporaryFolder folder;
  write_file(folder / "stem.vlt", text);
  CHECK(run_volute("inspect --stage program " + folder / "stem.vlt").out == text);
}

TEST_CASE("every stage between has its own language", "[inspect]") {
  CHECK_THAT(stage("nest"), ContainsSubstring("nest "));
  CHECK_THAT(stage("loops"), ContainsSubstring("step "));
  CHECK_THAT(stage("llvm"), ContainsSubstring("define "));
  CHECK_THAT(stage("asm"), ContainsSubstring("ret"));
}

TEST_CASE("the report names the work, the memory and the reasons", "[inspect]") {
  const std::string text = run_volute("inspect examples/stem.vlt").out;
  CHECK(text.substr(0, 15) == stage("report").substr(0, 15));
  // 64 x 3 x 7 x 7 weights and 64 biases; 0.6 MB in, 0.8 MB out, the weights.
  CHECK_THAT(text, ContainsSubstring("  parameters     9,472\n"));
  CHECK_THAT(text,
             ContainsSubstring("  bytes          1,442,816 (inputs and outputs, each once)\n"));
  // 64 * 3 * 776 * 776: along either axis 112 windows of 7 taps, of which 8 fall into the padding.
  CHECK_THAT(text, ContainsSubstring(" (taps in the padding left out)\n"));
  CHECK_THAT(text, ContainsSubstring("  schedule\n"));
  CHECK_THAT(text, ContainsSubstring("  why\n"));
}

TEST_CASE("a printed schedule is accepted back and gives the same loops", "[inspect]") {
  const TemporaryFolder folder;
  write_file(folder / "s.txt", stage("schedule"));
  CHECK(stage("loops", "--schedule @" + folder / "s.txt") == stage("loops"));
}

TEST_CASE("code for another CPU can be looked at", "[inspect]") {
  CHECK_THAT(stage("asm", "--target skylake-avx512"), ContainsSubstring("zmm"));
  const std::string narrow = stage("asm", "--target haswell");
  CHECK_THAT(narrow, ContainsSubstring("ymm"));
  CHECK(narrow.find("zmm") == std::string::npos);
}

TEST_CASE("assembly stands beside its loops and statements, or bare", "[inspect]") {
  const std::string page = stage("asm", "--target haswell");
  CHECK_THAT(page, ContainsSubstring("\n#     line   9  %1 = relu %0\n"));
  CHECK_THAT(page, ContainsSubstring("innermost, a trip is 12 multiply-adds, "));
  const std::string bare = stage("asm", "--target haswell --bare");
  CHECK(bare.find('%') != std::string::npos);
  CHECK(bare.find("relu") == std::string::npos);
  CHECK(bare.find(".loc") == std::string::npos);
  CHECK_THAT(stage("report", "--target haswell"),
             ContainsSubstring(" of 16 in the inner step; no spills in the code\n"));
}

TEST_CASE("a stage that there is not is named, with those that there are", "[inspect]") {
  const Ran ran = run_volute("inspect examples/stem.vlt --stage ir");
  CHECK(ran.status == 2);
  CHECK(ran.err == "error: --stage: there is no stage 'ir'\n"
                   "the stages are program, nest, schedule, loops, llvm, asm, report, all\n");
}

TEST_CASE("all stages are each under their name, and what each shows alone", "[inspect]") {
  const std::string program = "inspect examples/first.vlt --target haswell ";
  const std::string all = run_volute(program + "--stage all").out;
  size_t at = 0;
  for (const std::string name : {"program", "nest", "schedule", "loops", "llvm", "asm"}) {
    INFO(name);
    const std::string alone = run_volute(program + "--stage " + name).out;
    const size_t found =
        all.find((at == 0 ? "==== " : "\n==== ") + name + "\n\n" + alone + "\n====", at);
    REQUIRE(found != std::string::npos);
    CHECK(found >= at);
    at = found + 1;
  }
  CHECK_THAT(all.substr(at), ContainsSubstring("\n==== report\n\nprogram @first\n"));
}

TEST_CASE("passes are listed, and what each makes is shown", "[inspect]") {
  const std::string table = run_volute("inspect --passes").out;
  CHECK_THAT(table, StartsWith("fold_constants   program -> program "));
  const std::string program = "inspect examples/stem.vlt --target haswell ";
  std::string names;
  const std::string all = run_volute(program + "--after all").out;
  CHECK_THAT(all, StartsWith("==== given\n\nprogram @stem("));
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    const std::string pass = line.substr(0, line.find(' '));
    INFO(pass);
    names += (names.empty() ? "" : ", ") + pass;
    const Ran ran = run_volute(program + "--after " + pass);
    CHECK(ran.status == 0);
    CHECK_FALSE(ran.out.empty());
    CHECK_THAT(all, ContainsSubstring("\n==== " + pass + ": "));
  }
  CHECK(run_volute(program + "--after limit_copies").out == stage("nest", "--target haswell"));
  CHECK(run_volute(program + "--after resolve").out == stage("schedule", "--target haswell"));
  CHECK(run_volute(program + "--after number_loops").out == stage("loops", "--target haswell"));
  CHECK(run_volute(program + "--after emit").out == stage("llvm", "--target haswell"));
  CHECK(run_volute(program + "--after assembly").out == stage("asm", "--target haswell --bare"));
  CHECK_THAT(run_volute("inspect examples/stem.vlt --target znver4 --after cut_bands").out,
             ContainsSubstring(", band in 0.."));

  const Ran none = run_volute(program + "--after spezialise");
  CHECK(none.status == 2);
  CHECK(none.err == "error: --after: there is no pass 'spezialise'\ndid you mean specialise? the "
                    "passes are " +
                        names + ", or all of them: all\n");
}

TEST_CASE("a pass that is refused hides nothing of those before it", "[inspect]") {
  const std::string program =
      "inspect examples/stem.vlt --target haswell --schedule 'nest conv_1: for h by 99' ";
  CHECK_THAT(run_volute(program + "--after choose").out, ContainsSubstring("for h by 99"));
  const Ran all = run_volute(program + "--after all");
  CHECK(all.status == 1);
  CHECK_THAT(all.out, ContainsSubstring("\n==== flatten: "));
  CHECK(all.out.find("\n==== resolve: ") == std::string::npos);
  CHECK_THAT(all.err, ContainsSubstring("error: schedule: nest conv_1: "));
}

TEST_CASE("--verbose tells the time of each pass", "[inspect]") {
  std::istringstream table(run_volute("inspect --passes").out);
  const Ran code = run_volute("inspect examples/first.vlt --stage asm --verbose");
  const Ran loops = run_volute("inspect examples/first.vlt --stage loops --verbose");
  CHECK_THAT(code.err, StartsWith("volute: @first for "));
  for (std::string line; std::getline(table, line);) {
    const std::string pass = line.substr(0, line.find(' '));
    INFO(pass);
    const std::regex time("volute:   " + pass + " +[0-9.]+ ms, verified in [0-9.]+\n");
    CHECK(std::regex_search(code.err, time));
    CHECK(std::regex_search(loops.err, time) ==
          (line.find("LLVM IR") == std::string::npos && line.find("object") == std::string::npos));
  }
}

// ---- in the middle ----------------------------------------------------------------------------

TEST_CASE("what is printed of the suites and examples goes on to the same", "[inspect]") {
  const TemporaryFolder folder;
  const std::string nest = folder / "p.nest", loops = folder / "p.loops";
  int count = 0;
  for (const std::string where : {"bench/suites", "examples"})
    for (const auto& file :
         std::filesystem::directory_iterator(std::filesystem::path(VOLUTE_SOURCE_DIR) / where)) {
      if (file.path().extension() != ".vlt") continue;
      const std::vector<std::string> names = programs_in(volute::tests::read_file(file.path()));
      for (size_t n = 0; n < names.size(); n += 30) {
        const std::string& name = names[n];
        const std::string target = ++count % 2 ? "sapphirerapids" : "haswell";
        const std::string options = " --target " + target;
        const std::string program =
            "inspect " + file.path().string() + " --entry " + name + options;
        INFO(program);
        write_file(nest, run_volute(program + " --stage nest").out);
        const std::string made = run_volute(program + " --stage loops").out;
        CHECK(run_volute("inspect " + nest + options + " --stage nest").out ==
              volute::tests::read_file(nest));
        CHECK(run_volute("inspect " + nest + options + " --stage loops").out == made);
        CHECK(run_volute("inspect " + nest + options + " --stage schedule").out ==
              run_volute(program + " --stage schedule").out);
        write_file(loops, made);
        CHECK(run_volute("inspect " + loops + options + " --stage loops").out == made);
      }
    }
  CHECK(count >= 30);
}

TEST_CASE("the machine code of a text is that of its program", "[inspect]") {
  const TemporaryFolder folder;
  const std::string code = stage("asm", "--target znver4 --bare");
  for (const std::string level : {"nest", "loops"}) {
    const std::string file = folder / level;
    write_file(file, stage(level, "--target znver4"));
    CHECK(run_volute("inspect " + file + " --stage asm --bare --target znver4").out == code);
    CHECK(run_volute("inspect - --stage llvm --target znver4 < " + file).out ==
          stage("llvm", "--target znver4"));
  }
}

TEST_CASE("texts in the middle have the stages behind them, and reports", "[inspect]") {
  const TemporaryFolder folder;
  const std::string nest = folder / "s.nest", loops = folder / "s.loops";
  write_file(nest, stage("nest"));
  write_file(loops, stage("loops"));
  const std::string of_nests = run_volute("inspect " + nest).out;
  const std::string of_program = stage("report");
  for (const std::string line :
       {"  parameters     9,472\n", "  bytes          1,442,816 (inputs and outputs, each once)\n",
        "  multiply-adds  116,214,528 (taps in the padding left out)\n",
        "\nnest conv_1: conv %0"}) {
    CHECK_THAT(of_program, ContainsSubstring(line));
    CHECK_THAT(of_nests, ContainsSubstring(line));
  }
  const std::string of_loops = run_volute("inspect " + loops).out;
  CHECK_THAT(of_loops, ContainsSubstring(" executed\n"));
  CHECK_THAT(of_loops, ContainsSubstring("  bytes          1,442,816 (inputs"));
  CHECK_THAT(run_volute("inspect " + nest + " --stage all").out, StartsWith("==== nest\n\nnests "));
  CHECK_THAT(run_volute("inspect " + loops + " --stage all").out,
             StartsWith("==== loops\n\nloops stem\n"));

  const Ran program = run_volute("inspect " + nest + " --stage program");
  CHECK(program.status == 2);
  CHECK(program.err == "error: --stage: " + nest +
                           " holds nests, and there is no program behind them\nthe stages are "
                           "nest, schedule, loops, llvm, asm, report, all\n");
  const Ran lower = run_volute("inspect " + loops + " --after lower");
  CHECK(lower.status == 2);
  CHECK(lower.err == "error: --after: lower does not run: " + loops +
                         " holds loops\nthe first pass that does is number_loops\n");
  const Ran scheduled = run_volute("inspect " + loops + " --schedule naive");
  CHECK(scheduled.status == 1);
  CHECK(scheduled.err ==
        loops +
            ": error: schedule: loops have every decision taken: nothing is left to schedule\n");
  const Ran entry = run_volute("inspect " + loops + " --entry other");
  CHECK(entry.status == 2);
  CHECK(entry.err == "error: " + loops + " holds the loops of stem\n");
  for (const std::string command : {"run ", "bench "}) {
    const Ran ran = run_volute(command + nest);
    CHECK(ran.status == 2);
    CHECK(ran.err == "error: " + nest +
                         " holds nests, and a program is wanted\n`volute inspect` "
                         "goes on from them\n");
  }
}

TEST_CASE("faults in a text of nests or loops are shown at their places", "[inspect]") {
  const TemporaryFolder folder;
  const std::string file = folder / "f.nest";
  std::string text = run_volute("inspect examples/first.vlt --stage nest").out;
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    const size_t at = changed.find(from);
    REQUIRE(at != std::string::npos);
    write_file(file, changed.replace(at, from.size(), to));
    const Ran ran = run_volute("inspect " + file + " --stage loops");
    CHECK(ran.status == 1);
    CHECK(ran.out.empty());
    return ran.err;
  };
  CHECK_THAT(refused("parallel n in", "paralel n in"), StartsWith(file + ":"));
  CHECK_THAT(refused("h + kh", "h + 2*kh"), // found by verify, in a nest
             StartsWith(file + ":8:1: error: nest conv_y: "));
  CHECK_THAT(refused("{\n", "{\n  form none\n"), // found behind it
             StartsWith(file + ":8:1: error: nest conv_y: there is no form none ("));
  CHECK_THAT(refused("nests first", "nests"), StartsWith(file + ":1:6: error: expected"));
}

TEST_CASE("inspect wants one program", "[inspect]") {
  CHECK_THAT(run_volute("inspect").err, StartsWith("error: there is no program"));
  CHECK_THAT(run_volute("inspect examples/stem.vlt -e 'program @p() {}'").err,
             StartsWith("error: a FILE and -e are two programs"));
  const Ran none = run_volute("inspect none.vlt");
  CHECK(none.status == 1);
  CHECK(none.err == "none.vlt: error: No such file or directory\n");
}

TEST_CASE("forms are printed, taken back, and bounded by an accuracy", "[inspect]") {
  const std::string edges = "inspect examples/edges.vlt --target znver4 ";
  const std::string printed = run_volute(edges + "--stage schedule").out;
  CHECK_THAT(printed, StartsWith("form conv_smooth separable\n"));
  const TemporaryFolder folder;
  write_file(folder / "mine.txt", printed);
  const std::string loops = run_volute(edges + "--stage loops").out;
  CHECK(run_volute(edges + "--stage loops --schedule @" + (folder / "mine.txt")).out == loops);

  for (const Ran& exact : {run_volute(edges + "--stage schedule --accuracy 0"),
                           run_volute(edges + "--stage schedule", "VOLUTE_ACCURACY=0")})
    CHECK(exact.out.find("form ") == std::string::npos);
  CHECK(run_volute(edges + "--stage schedule --accuracy 2", "VOLUTE_ACCURACY=0").out == printed);
  CHECK_THAT(run_volute(edges + "--accuracy 0").out,
             ContainsSubstring("conv_smooth: direct (one sum over all taps)\n"));

  const Ran refused = run_volute(edges + "--accuracy 0 --schedule @" + (folder / "mine.txt"));
  CHECK(refused.status == 1);
  CHECK_THAT(refused.err, ContainsSubstring("form conv_smooth separable: its error is up to"));
}

TEST_CASE("two schedules or targets are compared at any stage", "[inspect]") {
  const std::string stem = "inspect examples/stem.vlt ";
  const Ran targets = run_volute(stem + "--stage schedule --diff haswell skylake-avx512");
  CHECK(targets.status == 0);
  CHECK_THAT(targets.out,
             StartsWith("--- schedule of haswell\n+++ schedule of skylake-avx512\n@@ "));
  CHECK_THAT(targets.out, ContainsSubstring(" vector 16\n"));
  const Ran schedules = run_volute(stem + "--target haswell --diff auto naive");
  CHECK_THAT(schedules.out, StartsWith("--- loops of auto\n+++ loops of naive\n"));
  CHECK(run_volute(stem + "--target haswell --diff naive naive").out == "no difference\n");
  CHECK_THAT(run_volute(stem + "--stage asm --diff haswell skylake-avx512").out,
             ContainsSubstring("%zmm"));
  CHECK_THAT(run_volute(stem + "--after place_bands --diff haswell skylake-avx512").out,
             StartsWith("--- place_bands of haswell\n"));
  const Ran wrong = run_volute(stem + "--diff haswel auto");
  CHECK(wrong.status == 2);
  CHECK_THAT(wrong.err, ContainsSubstring("'haswel' is neither a schedule nor a target"));
  CHECK_THAT(wrong.err, ContainsSubstring("nearest known one is haswell"));
  CHECK(run_volute(stem + "--diff auto").status == 2);
}

TEST_CASE("of a pass only what it has changed is shown where that is asked for", "[inspect]") {
  const std::string pooled = "inspect examples/stem.vlt --target haswell ";
  const std::string whole = run_volute(pooled + "--after cut_bands").out;
  const std::string changed = run_volute(pooled + "--after cut_bands --changes").out;
  CHECK(changed.size() < whole.size() * 2);
  CHECK(changed == "unchanged\n"); // L2 holds no band of rows there
  CHECK_THAT(
      run_volute("inspect examples/stem.vlt --target znver4 --after cut_bands --changes").out,
      StartsWith("@@ "));
  CHECK(run_volute(pooled + "--after split_fma --changes").out == "unchanged\n");
  // What begins a level is all there is of it.
  CHECK(run_volute(pooled + "--after lower --changes").out ==
        run_volute(pooled + "--after lower").out);
  const std::string all = run_volute(pooled + "--after all --changes").out;
  CHECK_THAT(all, ContainsSubstring("==== number_loops: "));
  CHECK(all.size() < run_volute(pooled + "--after all").out.size());
  CHECK(run_volute(pooled + "--changes").status == 2);
}

TEST_CASE("the report is there for programs to read, with sizes written out", "[inspect]") {
  const Ran ran = run_volute("inspect examples/stem.vlt --json --target haswell");
  CHECK(ran.status == 0);
  const nlohmann::json report = nlohmann::json::parse(ran.out);
  CHECK(report["program"] == "stem");
  CHECK(report["target"] == "haswell");
  CHECK(report["parameters"] == 9472);
  CHECK(report["operations"] == 2 * report["multiply_adds"].get<int64_t>());
  CHECK(report["nests"].size() >= 1);
  CHECK(report["nests"][0]["candidates"].size() > 1);
  CHECK(report["nests"][0]["registers"]["available"] == 16);
  CHECK(report["nests"][0]["spills"].contains("reloads"));
  CHECK(report["forms"][0]["forms"].size() > 1);
  CHECK(report["sizes"][0] == "%0: h = w = floor((224 + 3 + 3 - (7 - 1) - 1) / 2) + 1 = 112");
  CHECK_THAT(run_volute("inspect examples/stem.vlt --target haswell").out,
             ContainsSubstring(
                 "\nsizes\n  %0: h = w = floor((224 + 3 + 3 - (7 - 1) - 1) / 2) + 1 = 112\n"));
  CHECK(run_volute("inspect examples/stem.vlt --json --stage loops").status == 2);
}

TEST_CASE("colours are for terminals, and leave the text as it is", "[inspect]") {
  const auto plain = [](std::string text) {
    for (size_t at = 0; (at = text.find('\x1b', at)) != std::string::npos;)
      text.erase(at, text.find('m', at) - at + 1);
    return text;
  };
  for (const std::string name : {"program", "nest", "schedule", "loops", "llvm", "asm"}) {
    CAPTURE(name);
    const std::string text = stage(name, "--target haswell");
    CHECK(text.find('\x1b') == std::string::npos);
    const std::string coloured = stage(name, "--target haswell --color always");
    CHECK(coloured.find('\x1b') != std::string::npos);
    CHECK(plain(coloured) == text);
  }
  // Where there is no such program, or no terminal for it to open, as in a bare root.
  if (std::system("script -qec true /dev/null > /dev/null 2>&1") != 0) return;
  const std::string on_terminal =
      "script -qec \"'" VOLUTE_TOOL "' inspect examples/stem.vlt --stage program\" /dev/null #";
  CHECK_THAT(run_volute("", "TERM=xterm " + on_terminal).out, ContainsSubstring("\x1b[35mprogram"));
  CHECK(run_volute("", "NO_COLOR=1 TERM=xterm " + on_terminal).out.find('\x1b') ==
        std::string::npos);
}
