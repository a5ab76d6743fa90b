#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <filesystem>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

const std::string relu =
    "-e 'program @p(%x: f32[n=1, c=2, w=4]) {\n  %y = relu %x\n  return %y\n}' ";
const std::string two_results = "-e 'program @p(%x: f32[n=1, c=1, h=2, w=4]) {\n  %y = relu %x\n"
                                "  %z = neg %x\n  return %y, %z\n}' ";

} // namespace

TEST_CASE("inputs that nobody gives can be made up", "[run]") {
  const Ran ran = run_volute("run " + relu + "--fill iota");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK(ran.out == "%y: f32[n=1, c=2, w=4]\n[[[0. 1. 2. 3.]\n  [4. 5. 6. 7.]]]\n"
                   "min 0, max 7, mean 3.5\n");
  CHECK(run_volute("run " + relu + "--fill random:3").out ==
        run_volute("run " + relu + "--fill random:3").out);
  CHECK(run_volute("run " + relu + "--fill random:3").out !=
        run_volute("run " + relu + "--fill random:4").out);
}

TEST_CASE("an input that is missing is named, with commands that work", "[run]") {
  const Ran ran = run_volute("run " + relu);
  CHECK(ran.status == 2);
  CHECK(ran.out == "");
  CHECK(ran.err == "error: @p takes 1 input, and one is not given:\n"
                   "  %x: f32[n=1, c=2, w=4]\n"
                   "Give a file for each, as in\n"
                   "  volute run FILE x=x.npy\n"
                   "or let them be made up:\n"
                   "  volute run FILE --fill random\n");
}

TEST_CASE("results are written and read back bit for bit", "[run]") {
  const TemporaryFolder folder;
  const std::string y = folder / "y.npy", z = folder / "z.npy";
  const Ran ran = run_volute("run " + two_results + "--fill iota -o y=" + y + " -o z=" + z);
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK(ran.out ==
        "%y: f32[n=1, c=1, h=2, w=4] -> " + y + "\n%z: f32[n=1, c=1, h=2, w=4] -> " + z + "\n");
  CHECK(folder.files() == 2);
  const Ran back = run_volute("run " + two_results + "x=" + z);
  CHECK(back.status == 0);
  CHECK_THAT(back.out, ContainsSubstring("[[[[0. 1. 2. 3.]\n   [4. 5. 6. 7.]]]]"));
}

TEST_CASE("a program comes from a file, standard input or the command line", "[run]") {
  const Ran ran = run_volute("run - ", "cat examples/first.vlt |");
  CHECK(ran.status == 0);
  CHECK(ran.out == run_volute("run examples/first.vlt").out);
}

TEST_CASE("constants in files are found beside the program", "[run]") {
  const TemporaryFolder folder;
  REQUIRE(run_volute("run " + relu + "--fill iota -o y=" + folder / "k.npy").status == 0);
  write_file(folder / "p.vlt", "program @p() {\n  %k = const file(\"k.npy\") : f32[n=1, c=2, w=4]\n"
                               "  %y = neg %k\n  return %y\n}\n");
  const Ran ran = run_volute("run " + folder / "p.vlt");
  CHECK(ran.err == "");
  CHECK_THAT(ran.out, ContainsSubstring("[-4. -5. -6. -7.]"));

  write_file(folder / "q.vlt", "program @p() {\n  %k = const file(\"none.npy\") : f32[c=2]\n"
                               "  %y = neg %k\n  return %y\n}\n");
  const Ran none = run_volute("run " + folder / "q.vlt");
  CHECK(none.status == 1);
  CHECK_THAT(none.err, ContainsSubstring("q.vlt:2:19: error: %k: "));
  CHECK_THAT(none.err, ContainsSubstring("none.npy: No such file or directory"));
}

TEST_CASE("of several programs one is named", "[run]") {
  const Ran ran = run_volute("run examples/pooled.vlt");
  CHECK(ran.status == 2);
  CHECK(ran.err == "error: examples/pooled.vlt holds 2 programs: say which with --entry NAME\n"
                   "they are whole, kept\n");
  const Ran other = run_volute("run examples/pooled.vlt --entry wide");
  CHECK(other.status == 2);
  CHECK(other.err == "error: examples/pooled.vlt holds no program 'wide'\nit holds whole, kept\n");
}

TEST_CASE("a refused program shows file, line, column and the place", "[run]") {
  const TemporaryFolder folder;
  write_file(folder / "edge.vlt", "program @p(%x: f32[n=1, c=63, h=8, w=8],\n"
                                  "           %w: f32[o=64, i=31, h=3, w=3]) {\n"
                                  "  // two groups\n"
                                  "  %y = conv %x, %w {groups = 2}\n  return %y\n}\n");
  const Ran ran =
      run_volute("run " + folder / "edge.vlt" + " --fill ones -o y=" + folder / "y.npy");
  CHECK(ran.status == 1);
  CHECK(ran.out == "");
  CHECK_THAT(ran.err,
             ContainsSubstring("edge.vlt:4:21: error: conv: groups = 2 does not divide the "
                               "input's 63 channels"));
  CHECK_THAT(ran.err,
             ContainsSubstring("  %y = conv %x, %w {groups = 2}\n                      ^"));
  CHECK(folder.files() == 1);
}

TEST_CASE("a data file at fault is named with its input", "[run]") {
  const TemporaryFolder folder;
  const std::string in = folder / "in.npy";
  const Ran none = run_volute("run " + relu + "x=" + in);
  CHECK(none.status == 1);
  CHECK(none.err == "error: %x: " + in + ": No such file or directory\n");

  REQUIRE(run_volute("run " + two_results + "--fill iota -o y=" + in).status == 0);
  const Ran shape = run_volute("run " + relu + "x=" + in);
  CHECK(shape.status == 1);
  CHECK_THAT(shape.err, StartsWith("error: %x: " + in +
                                   ": the shape is (1, 1, 2, 4), the type is "
                                   "f32[n=1, c=2, w=4]"));
}

TEST_CASE("names that the program does not have are the command line's fault", "[run]") {
  const Ran input = run_volute("run " + relu + "k=k.npy");
  CHECK(input.status == 2);
  CHECK(input.err == "error: @p has no input 'k'\nits inputs are %x\n");
  const Ran output = run_volute("run " + relu + "--fill ones -o k=k.npy");
  CHECK(output.status == 2);
  CHECK(output.err == "error: @p has no output 'k'\nits outputs are %y\n");
  const Ran twice = run_volute("run " + relu + "x=a.npy x=b.npy");
  CHECK(twice.status == 2);
  CHECK(twice.err == "error: the input %x is given twice\n");
  const Ran same = run_volute("run " + two_results + "--fill ones -o y=a.npy -o z=./a.npy");
  CHECK(same.status == 2);
  CHECK(same.err == "error: ./a.npy would be written twice\na.npy is the same file\n");
  const Ran plain = run_volute("run " + relu + "in.npy");
  CHECK(plain.status == 2);
  CHECK(plain.err == "error: 'in.npy' is not NAME=FILE\nfor example x=in.npy\n");
  const Ran ending = run_volute("run " + relu + "x=in.jpg");
  CHECK(ending.status == 2);
  CHECK(ending.err == "error: 'in.jpg': a tensor's file ends in .npy or .png\n");
}

TEST_CASE("nothing is written when one of several results cannot be", "[run]") {
  const TemporaryFolder folder;
  const Ran ran = run_volute("run " + two_results + "--fill iota -o y=" + folder / "y.npy" +
                             " -o z=" + folder / "none/z.npy");
  CHECK(ran.status == 1);
  CHECK_THAT(ran.err, ContainsSubstring("error: %z: " + folder / "none/z.npy" +
                                        ": No such file or directory (there is no folder " +
                                        folder / "none" + ")"));
  CHECK(folder.files() == 0);

  const Ran png = run_volute("run " + relu + "--fill iota -o y=" + folder / "y.png");
  CHECK(png.status == 1);
  CHECK_THAT(png.err, ContainsSubstring("a picture has 1 channel (grey) or 3 (RGB), %y is "
                                        "f32[n=1, c=2, w=4] (write it as y.npy)"));
  CHECK(folder.files() == 0);
}

TEST_CASE("a file that is there already is replaced, one that cannot be stays", "[run]") {
  const TemporaryFolder folder;
  write_file(folder / "y.npy", "old");
  CHECK(run_volute("run " + relu + "--fill iota -o y=" + folder / "y.npy").status == 0);
  CHECK(read_file(folder / "y.npy").substr(1, 5) == "NUMPY");
  CHECK(folder.files() == 1);
}

TEST_CASE("mistakes with an output's file are the user's, in the system's words", "[run]") {
  const TemporaryFolder folder;
  write_file(folder / "y.npy", "old");
  std::filesystem::create_symlink("y.npy", folder / "z.npy");
  std::filesystem::create_symlink("loop.npy", folder / "loop.npy");
  const auto refusal = [&](const std::string& y, const std::string& z, int status) {
    const Ran ran =
        run_volute("run " + two_results + "--fill ones -o y=" + folder / y + " -o z=" + folder / z);
    CHECK(ran.status == status);
    CHECK(ran.out == "");
    CHECK(read_file(folder / "y.npy") == "old");
    CHECK(folder.files() == 3);
    return ran.err;
  };
  CHECK(refusal("y.npy", "z.npy", 2) == "error: " + folder / "z.npy" + " would be written twice\n" +
                                            folder / "y.npy" + " is the same file\n");
  CHECK(refusal("y.npy", "loop.npy", 1) ==
        "error: %z: " + folder / "loop.npy" +
            ": Too many levels of symbolic links (symbolic links must lead to an end)\n");
  CHECK(refusal("y.npy", std::string(252, 'n') + ".npy", 1) ==
        "error: %z: " + folder / std::string(252, 'n') + ".npy" +
            ": File name too long (a name has at most 255 bytes, a path 4095)\n");
  const Ran bench = run_volute("bench " + relu + "--json " + folder / "none/y.json");
  CHECK(bench.status == 1);
  CHECK(bench.err == "error: " + folder / "none/y.json" +
                         ": No such file or directory (there is no folder " + folder / "none" +
                         ")\n");
  const Ran gone = run_volute("run " + relu + "--fill ones -o y=y.npy",
                              "mkdir " + folder / "gone" + " && cd " + folder / "gone" +
                                  " && rmdir " + folder / "gone" + " &&");
  CHECK(gone.status == 1);
  CHECK(gone.err == "error: %y: y.npy: No such file or directory (there is no folder .)\n");
}

TEST_CASE("denormal numbers draw a word, and are taken for 0 on request", "[run]") {
  const std::string valid = "-e 'program @p(%x: f32[n=1, c=1, w=4]) {\n"
                            "%w = const [3e-40, 2, 1e-39] : f32[o=1, i=1, w=3]\n"
                            "%0 = conv %x, %w\n%y = tanh %0\nreturn %y }' ";
  const std::string words =
      "2 of 3 elements are denormal (not 0, and below 1.2e-38): many CPUs take "
      "a hundred times as long for each; --flush-denormals takes them for 0\n";
  const Ran kept = run_volute("run " + valid + "--fill ones --check");
  CHECK(kept.status == 0);
  CHECK(kept.err == "warning: %w: " + words);
  const Ran flushed = run_volute("run " + valid + "--fill ones --check --flush-denormals");
  CHECK(flushed.status == 0);
  CHECK(flushed.err == "");
  CHECK_THAT(run_volute("inspect " + valid + "--stage report").out,
             ContainsSubstring("\ndenormals\n  %w: " + words));
  // Products that are denormal differ, and within what is allowed.
  const std::string tiny = "-e 'program @p(%x: f32[n=1, c=1, w=40], %w: f32[o=1, i=1, w=3]) {\n"
                           "%k = const [1e-25] : f32[c=1]\n%0 = mul %x, %k\n"
                           "%k2 = const [1e-14] : f32[c=1]\n%2 = mul %0, %k2\n"
                           "%3 = conv %2, %w\n%y = avg_pool %3 {kernel = 3}\nreturn %y }' ";
  for (const char* how : {"", "--flush-denormals"}) {
    const Ran ran = run_volute("run " + tiny + "--fill random --check " + how);
    CHECK(ran.err == "");
    CHECK(ran.status == 0);
    CHECK_THAT(ran.out, StartsWith("check 2 values on the way, "));
    CHECK_THAT(ran.out, ContainsSubstring("check %y: within the tolerance of the reference after "
                                          "the kernel's own %3, all"));
    // Without the flag only rounding is allowed for: the numbers of one are no numbers of the
    // other.
    CHECK((ran.out.find("min 0, max 0,") != std::string::npos) == (*how != 0));
  }
}

TEST_CASE("values that a picture cannot hold draw a word", "[run]") {
  const TemporaryFolder folder;
  const Ran ran = run_volute("run -e 'program @p() {\n%y = const [-3, -0.5, 0, 7.25, 255.5, 256] "
                             ": f32[n=1, c=1, h=2, w=3]\nreturn %y }' -o y=" +
                             folder / "y.png");
  CHECK(ran.status == 0);
  CHECK(ran.err == "warning: %y: 3 of 6 values do not lie in 0..255 and were clamped\n");
  const Ran none = run_volute("run " + two_results + "--fill iota -o y=" + folder / "y.png");
  CHECK(none.err == "");
}

TEST_CASE("the naive and a given schedule give the same bits as the automatic one", "[run]") {
  const std::string first = run_volute("run examples/first.vlt").out;
  CHECK(run_volute("run examples/first.vlt --schedule naive").out == first);
  CHECK(run_volute("run examples/first.vlt --schedule 'parallel h; for w, kh, kw'").out == first);
}

TEST_CASE("a schedule that makes no sense is shown at its place", "[run]") {
  const Ran ran = run_volute("run examples/first.vlt --schedule 'paralel h'");
  CHECK(ran.status == 1);
  CHECK_THAT(ran.err, StartsWith("--schedule:1:1: error: schedule: unknown directive 'paralel'"));
  const TemporaryFolder folder;
  write_file(folder / "s.txt", "parallel h\nfor w by\n");
  const Ran file = run_volute("run examples/first.vlt --schedule @" + folder / "s.txt");
  CHECK(file.status == 1);
  CHECK_THAT(file.err, StartsWith(folder / "s.txt" + ":2:"));
  const Ran none = run_volute("run examples/first.vlt --schedule @" + folder / "none.txt");
  CHECK(none.status == 1);
  CHECK(none.err == folder / "none.txt" + ": error: No such file or directory\n");
}

TEST_CASE("--check looks at every value on the way, and at nothing that it cannot bound", "[run]") {
  std::string inputs = "%x: f32[n=1, c=8, h=6, w=6]", body, before = "x";
  for (int i = 0; i < 50; ++i) {
    const std::string n = std::to_string(i);
    inputs += ", %w" + n + ": f32[o=8, i=8, h=3, w=3]";
    body += "%c" + n + " = conv %" + before + ", %w" + n + " {pad = 1}\n%r" + n + " = relu %c" + n +
            "\n";
    before = "r" + n;
  }
  const TemporaryFolder folder;
  write_file(folder / "deep.vlt",
             "program @deep(" + inputs + ") {\n" + body + "return %" + before + " }");
  const std::string run = "run " + folder / "deep.vlt" + " --check -o r49=" + folder / "y.npy ";
  const Ran right = run_volute(run + "--fill normal");
  CHECK(right.err == "");
  CHECK(right.status == 0);
  CHECK_THAT(right.out, ContainsSubstring(" values on the way, each against the reference of what "
                                          "the kernel had before it: "));
  CHECK_THAT(right.out, ContainsSubstring("check %r49: within the tolerance of the reference after "
                                          "the kernel's own %r"));
  CHECK(run_volute(run + "--fill normal:3").out != right.out);

  // Whole numbers grow from layer to layer until no f32 holds them.
  const Ran large = run_volute(run + "--fill random");
  CHECK(large.status == 1);
  CHECK(large.out == "");
  CHECK_THAT(large.err, ContainsSubstring(" and have no finite bound: a sum on the way to them may "
                                          "overflow\n"));
  CHECK_THAT(large.err, ContainsSubstring("--fill normal draws numbers that stay of one size"));
  const Ran allowed = run_volute(run + "--fill random --allow-unbounded");
  CHECK(allowed.err == "");
  CHECK(allowed.status == 0);
  CHECK_THAT(allowed.out, ContainsSubstring(" and have no finite bound: "));
}

TEST_CASE("--check refuses what the reference takes too long for", "[run]") {
  const Ran ran = run_volute(
      "run -e 'program @p(%x: f32[n=1, c=512, h=64, w=64], %w: f32[o=512, i=512, h=3, w=3]) "
      "{\n%y = conv %x, %w {pad = 1}\nreturn %y }' --fill random --check");
  CHECK(ran.status == 1);
  CHECK_THAT(ran.err, ContainsSubstring("error: --check: conv: the reference evaluation takes "));
  CHECK_THAT(ran.err, ContainsSubstring("evaluate smaller extents"));
}

TEST_CASE("values that are not whole are compared within a bound on the rounding", "[run]") {
  const Ran ran =
      run_volute("run -e 'program @p(%x: f32[n=1, c=3, h=8, w=8]) {\n"
                 "  %k = const [0.1, 0.2, 0.3] : f32[o=1, i=3, h=1, w=1]\n"
                 "  %c = conv %x, %k\n  %y = sigmoid %c\n  return %y\n}' --fill random --check");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out,
             StartsWith("check %y: within the tolerance of the reference, all 64 elements"));
}

TEST_CASE("a fill, a target and a number of threads that make no sense are named", "[run]") {
  const auto refused = [](const std::string& options) {
    const Ran ran = run_volute("run examples/first.vlt " + options);
    CHECK(ran.status == 2);
    CHECK(ran.out == "");
    return ran.err;
  };
  CHECK_THAT(refused("--fill noise"),
             StartsWith("error: --fill: 'noise' is not a way to fill a tensor\n"
                        "it is zeros, ones, iota, random or random:SEED, or normal or "
                        "normal:SEED\n"));
  CHECK_THAT(
      refused("--fill normal:x"),
      StartsWith("error: --fill: the seed in 'normal:x' is not a whole number of 64 bits\n"));
  CHECK_THAT(refused("--target pentium9"), StartsWith("error: --target: "));
  CHECK(refused("--threads 0") == "error: --threads: '0' is not a number from 1 to 1024, or all\n");
  CHECK(refused("--threads two") ==
        "error: --threads: 'two' is not a number from 1 to 1024, or all\n");
  CHECK_THAT(refused("--accuracy -1"),
             StartsWith("error: --accuracy: -1 is not a number of 0 or more"));
  CHECK_THAT(refused("--accuracy nan"),
             StartsWith("error: --accuracy: nan is not a number of 0 or more"));
  CHECK_THAT(refused("--fast"), ContainsSubstring("--fast"));
}

TEST_CASE("several threads and the options without an effect yet change nothing", "[run]") {
  const std::string first = run_volute("run examples/first.vlt").out;
  CHECK(run_volute("run examples/first.vlt --threads 2").out == first);
  CHECK(run_volute("run examples/first.vlt --no-cache --deterministic --accuracy 0").out == first);
  const Ran many = run_volute("run examples/first.vlt --threads 1024");
  CHECK(many.out == first);
  CHECK_THAT(many.err, StartsWith("warning: 1024 threads, and this process may run on "));
  CHECK(run_volute("run examples/first.vlt --threads all").err == "");
  const Ran verbose = run_volute("run examples/first.vlt --verbose");
  CHECK(verbose.out == first);
  CHECK_THAT(verbose.err, StartsWith("volute: @first for "));
}

TEST_CASE("every element type is filled, run, checked, written and read back", "[run]") {
  const TemporaryFolder folder;
  for (const std::string type : {"f32", "f64", "f16", "bf16", "i8", "u8", "i32", "i64"}) {
    INFO(type);
    const bool is_float = type.find('f') != std::string::npos;
    const std::string program =
        " -e 'program @p(%x: " + type + "[n=1, c=1, h=2, w=4]) {\n%y = add %x, %x\nreturn %y }' ";
    const std::string file = folder / type + ".npy";
    const Ran first = run_volute("run" + program + "--fill iota --check -o y=" + file);
    CHECK(first.err == "");
    CHECK_THAT(first.out, StartsWith("check %y: equal to the reference, all 8 elements (" +
                                     std::string(is_float ? "exact: " : "integers)")));
    const Ran second = run_volute("run" + program + "x=" + file);
    CHECK(second.err == "");
    CHECK(second.out == "%y: " + type + "[n=1, c=1, h=2, w=4]\n" +
                            (is_float ? "[[[[ 0.  4.  8. 12.]\n   [16. 20. 24. 28.]]]]\n"
                                      : "[[[[ 0  4  8 12]\n   [16 20 24 28]]]]\n") +
                            "min 0, max 28, mean 14\n");
  }
  CHECK_THAT(read_file(folder / "bf16.npy"), ContainsSubstring("'<u2'"));
  CHECK_THAT(read_file(folder / "u8.npy"), ContainsSubstring("'|u1'"));
}

TEST_CASE("a picture is read as bytes and written from them", "[run]") {
  const TemporaryFolder folder;
  const Ran ran = run_volute("run -e 'program @p(%x: u8[n=1, c=1, h=400, w=600]) {\n"
                             "%y = max_pool %x {kernel = 2}\nreturn %y }' "
                             "x=examples/photo.png --check -o y=" +
                             folder / "y.png");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out,
             StartsWith("check %y: equal to the reference, all 60000 elements (integers)"));
  CHECK(read_file(folder / "y.png").substr(1, 3) == "PNG");
}

TEST_CASE("places that no element has are refused when the program runs", "[run]") {
  const std::string program = "run -e 'program @p(%x: f32[n=1, c=1, w=2], %i: i64[n=1, c=1, w=2]) "
                              "{\n%y = max_unpool %x, %i {kernel = 2}\nreturn %y }' --check ";
  CHECK(run_volute(program + "--fill iota").status == 0);   // places 0 and 1
  CHECK(run_volute(program + "--fill random").status == 0); // are places
  const auto refusal = [](const std::string& inputs, const std::string& statements,
                          const std::string& options = "") {
    const Ran ran = run_volute("run -e 'program @p(" + inputs + ") {\n" + statements +
                               "\nreturn %y }' --fill iota " + options);
    CHECK(ran.status == 1);
    CHECK(ran.out == "");
    const bool is_warned = ran.err.rfind("warning: 2 threads", 0) == 0; // on one processor
    return is_warned ? ran.err.substr(ran.err.find('\n') + 1) : ran.err;
  };
  // Constants, inputs, what the program computes, on several threads and in another layout.
  const std::string x = "%x: f32[n=1, c=2, w=3]", i = "%i: i64[n=1, c=2, w=3]";
  CHECK(refusal(x, "%i = const [0, 1, 2, 0, -7, 1] : i64[n=1, c=2, w=3]\n"
                   "%y = max_unpool %x, %i {kernel = 1}") ==
        "error: p: max_unpool_y: %i: the index -7 at [n=0, c=1, w=1] is outside the result's 3 "
        "positions\n");
  for (const char* threads : {"", "--threads 2"})
    CHECK(refusal(x + ", " + i, "%y = max_unpool %x, %i {kernel = 1}", threads) ==
          "error: p: max_unpool_y: %i: the index 3 at [n=0, c=1, w=0] is outside the result's 3 "
          "positions\n");
  CHECK(
      refusal(x + ", " + i, "%2 = add %i, %i\n%z = max_unpool %x, %2 {kernel = 1}\n%y = relu %z") ==
      "error: p: max_unpool_z: %2: the index 4 at [n=0, c=0, w=2] is outside the result's 3 "
      "positions\n");
  CHECK(refusal(x + ", %i: i64[w=3, n=1, c=2]",
                "%y = max_unpool %x, %i {kernel = 1} : f32[n=1, w=3, c=2]") ==
        "error: p: max_unpool_y: %i: the index 3 at [w=1, n=0, c=1] is outside the result's 3 "
        "positions\n");
}

TEST_CASE("--check takes a program that computes nothing", "[run]") {
  const Ran ran =
      run_volute("run -e 'program @p(%x: f32[n=1, c=2]) { return %x }' --fill iota --check");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, StartsWith("check %x: equal to the reference, all 2 elements"));
}

TEST_CASE("--check holds quantised chains to their steps and integers to themselves", "[run]") {
  const Ran ran = run_volute(
      "run -e 'program @p(%x: f32[n=1, c=3, h=9, w=9], %w: i8[o=8, i=3, h=3, w=3]) {\n"
      "%s = sigmoid %x\n"
      "%q = quantize %s {scale = 0.0039, zero_point = 3} : u8[n=1, c=3, h=9, w=9]\n"
      "%c = conv %q, %w {x_zero_point = 3, w_zero_point = [1, 2, 3, 4, 5, 6, 7, 8], pad = 1}\n"
      "%r = requantize %c {scale = 0.001, zero_point = 7} : i8[n=1, c=8, h=9, w=9]\n"
      "%d = dequantize %r {scale = 0.01, zero_point = 7}\n%y = gelu %d\n"
      "return %y, %r, %q }' --fill random --check");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, ContainsSubstring("check %y: within the tolerance of the reference after the "
                                        "kernel's own %r, all 648 elements"));
  const Ran exact =
      run_volute("run -e 'program @p(%x: u8[n=1, c=3, w=9], %w: i8[o=8, i=3, w=3]) "
                 "{\n%c = conv %x, %w {x_zero_point = 3}\n%y = requantize %c {scale = "
                 "0.001, zero_point = 7} : i8[n=1, c=8, w=7]\nreturn %y }' "
                 "--fill random --check");
  CHECK_THAT(exact.out, StartsWith("check %y: equal to the reference, all 56 elements (integers)"));
}

TEST_CASE("weights that the program computes or lays out anew are packed") {
  for (const char* weight : {"mul %w, %w", "reorder %w : f32[i=3, h=2, w=3, o=17]"}) {
    const auto result = run_volute(
        std::string("run --check --fill random:3 -e 'program @p(%x: f32[n=1, c=3, h=6, w=7], "
                    "%w: f32[o=17, i=3, h=2, w=3]) { %v = ") +
        weight + " %y = conv %x, %v return %y }'");
    CAPTURE(result.err);
    CHECK(result.status == 0);
  }
}

TEST_CASE(
    "long axes compute what short ones look up: counts of averages, first elements of maxima") {
  for (const char* dilation : {"1", "2", "3"})
    for (const char* target : {"native", "x86-64"}) {
      const std::string tail = std::string("dilation = [1, ") + dilation + "], ceil_mode = true";
      const auto result = run_volute(
          std::string("run --check --fill random:3 --target ") + target +
          " -e 'program @p(%x: f32[n=1, c=1, h=2, w=9001]) { %y, %i = max_pool %x {kernel = [2, "
          "3], "
          "stride = 2, pad = [(0, 0), (2, 2)], " +
          tail + "} %z = avg_pool %x {kernel = [2, 3], stride = [1, 2], pad = [(0, 0), (1, 2)], " +
          "count_include_pad = false, " + tail + "} return %y, %i, %z }'");
      CAPTURE(dilation, target, result.err);
      CHECK(result.status == 0);
    }
  // The shape alone, nothing of this size is allocated.
  CHECK(
      run_volute("inspect --stage report -e 'program @p(%x: f32[n=1, c=1, w=4294967296]) { %y, %i "
                 "= max_pool %x {kernel = 3, stride = 2, pad = 1} return %y, %i }'")
          .status == 0);
  const auto refused = run_volute("inspect -e 'program @p(%x: f32[n=1, c=1, w=100000000]) { %y = "
                                  "adaptive_max_pool %x {output = 99999999} return %y }'");
  CHECK(refused.status == 1);
  CHECK_THAT(refused.err, ContainsSubstring("a table of 199999998 entries, more than 16777216"));
}

TEST_CASE("files that never end are refused as what they are not") {
  const TemporaryFolder folder;
  for (const char* ending : {"npy", "png"})
    std::filesystem::create_symlink("/dev/zero", folder / (std::string("zero.") + ending));
  const auto refusal = [](const std::string& arguments) {
    const Ran ran = run_volute("run " + arguments);
    CHECK(ran.status == 1);
    CHECK(ran.out == "");
    return ran.err;
  };
  CHECK(refusal("/dev/zero") == "/dev/zero: error: longer than 64 MiB, which no program is\n");
  CHECK(refusal("- < /dev/zero") ==
        "error: standard input: longer than 64 MiB, which no program is\n");
  CHECK(refusal("examples/first.vlt --schedule @/dev/zero") ==
        "/dev/zero: error: longer than 1 MiB, which no schedule is\n");
  CHECK_THAT(refusal(relu + "x=" + folder / "zero.npy"),
             ContainsSubstring("not a .npy file: it does not begin with"));
  CHECK_THAT(
      refusal("-e 'program @p(%x: u8[n=1, c=1, h=4, w=4]) { return %x }' x=" + folder / "zero.png"),
      ContainsSubstring("libpng: Not a PNG file"));
}

TEST_CASE("what a mistake is made of does not reach the terminal as it is") {
  const Ran option = run_volute("run examples/first.vlt \"$(printf -- '--\\033[31mred')\"");
  CHECK(option.status == 2);
  CHECK(option.err.find('\x1b') == std::string::npos);
  const Ran program = run_volute("run -e \"$(printf 'program @p() { \\033[31m }')\"");
  CHECK(program.status == 1);
  CHECK_THAT(program.err, ContainsSubstring("\\x1b[31m"));
  CHECK(program.err.find('\x1b') == std::string::npos);
}

TEST_CASE("--check takes a filter whose zeros a kernel leaves out, before integers too", "[run]") {
  // The root of a negative number is NaN; the filter's first tap is 0, and known.
  const Ran ran = run_volute(
      "run -e 'program @p(%x: f32[n=1, c=1, w=16]) {\n%k = const [0, 1] : f32[o=1, i=1, w=2]\n"
      "%0 = sqrt %x\n%1 = conv %0, %k\n%2 = quantize %1 {scale = 0.01} : u8[n=1, c=1, w=15]\n"
      "return %1, %2 }' --fill random --check");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK(ran.out.find("-nan") == std::string::npos);
}

TEST_CASE("a copy that nobody wrote is refused above a stated multiple of what it is made from",
          "[run]") {
  const auto inspected = [](const std::string& inputs, const std::string& statement,
                            const std::string& options = "") {
    return run_volute("inspect " + options + " -e 'program @p(" + inputs +
                      ") {\n  %y = " + statement + "\n  return %y\n}'");
  };
  const std::string line = "%x: f32[n=1, c=1, w=8], %w: f32[o=1, i=1, w=3]";
  const std::string square = "%x: f32[n=1, c=1, h=8, w=8], %w: f32[o=1, i=1, h=3, w=3]";
  const std::string bytes = "%x: u8[n=1, c=4, w=8], %w: i8[o=4, i=4, w=3]";
  const std::string far = "pad = 100000000, stride = 100000000";
  const Ran replicated = inspected(line, "conv %x, %w {" + far + ", padding_mode = replicate}");
  CHECK(replicated.status == 1);
  CHECK_THAT(
      replicated.err,
      ContainsSubstring("-e:2:8: error: conv: reads a padded copy of %x, and that would take "
                        "800 MB: more than 32 times the 32 bytes that it is made from (pad "
                        "less, or write the pad as a statement of its own)"));
  // In two dimensions, and of bytes whose padding is not 0.
  CHECK(inspected(square, "conv %x, %w {pad = 5000, stride = 5000, padding_mode = replicate}")
            .status == 1);
  const Ran zero_point = inspected(bytes, "conv %x, %w {" + far + ", x_zero_point = 3}",
                                   "--schedule 'form conv_y dot'");
  CHECK(zero_point.status == 1);
  CHECK_THAT(zero_point.err, ContainsSubstring("error: conv: reads a padded copy of %x"));
  // What reads no copy, what the program itself says, and what is no more than small.
  CHECK(inspected(line, "conv %x, %w {" + far + "}").status == 0);
  CHECK(inspected(line, "pad %x {pad = 100000000, mode = replicate}").status == 0);
  CHECK(inspected(line, "conv %x, %w {pad = 1000000, stride = 1000000, padding_mode = replicate}")
            .status == 0);
}
