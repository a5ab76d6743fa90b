// The page of `inspect --html`: its data, and what it does in a real browser, where there is one.
#include "ir/base64.h"
#include "tests/support/catch.h"
#include "tests/tools/browser.h"
#include "tests/tools/run_tool.h"

#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <string_view>

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
using volute::tests::browser;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

/// What the page holds.
json data_of(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const size_t from = page.find(begin) + begin.size();
  return json::parse(page.substr(from, page.find("</script>", from) - from));
}

const json& panel(const json& data, std::string_view stage) {
  for (const json& one : data["panels"])
    if (one["stage"] == stage) return one;
  FAIL("no panel " << stage);
  return data;
}

std::string joined(const json& lines) {
  std::string text;
  for (const json& line : lines) text += line.get<std::string>() + "\n";
  return text;
}

std::string page_of(const TemporaryFolder& folder, const std::string& arguments) {
  const Ran ran = run_volute("inspect " + arguments + " --html '" + folder / "page.html" + "'");
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  CHECK(ran.out.empty());
  return read_file(folder / "page.html");
}

/// The page with a script behind its own, whose `told` ends up in the result.
std::string tried(const TemporaryFolder& folder, const std::string& page,
                  const std::string& script) {
  const std::string end = "</body>";
  std::string with = page;
  with.insert(with.rfind(end), "<script>\n\"use strict\";\nconst told = {};\n"
                               "const over = e => e.dispatchEvent(new MouseEvent('mouseover', "
                               "{bubbles: true}));\n"
                               "const click = e => e.dispatchEvent(new MouseEvent('click', "
                               "{bubbles: true}));\n" +
                                   script +
                                   "\ndocument.title = 'TOLD' + JSON.stringify(told) + "
                                   "'END';\n</script>\n");
  write_file(folder / "tried.html", with);
  const std::string line =
      "timeout 500 " + browser() +
      " --no-sandbox --disable-gpu --headless --enable-logging=stderr --v=0"
      " --window-size=1600,1200 --virtual-time-budget=4000 --dump-dom 'file://" +
      folder / "tried.html" + "#light' > '" + folder / "dom" + "' 2> '" + folder / "log" + "'";
  CHECK(std::system(line.c_str()) == 0);
  const std::string log = read_file(folder / "log");
  INFO(log);
  CHECK(log.find("CONSOLE") == std::string::npos);
  return read_file(folder / "dom");
}

json told(const std::string& dom) {
  const size_t from = dom.find("<title>TOLD");
  REQUIRE(from != std::string::npos);
  std::string text = dom.substr(from + 11, dom.find("END</title>", from) - from - 11);
  for (const auto& [escaped, plain] :
       {std::pair<std::string, std::string>{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}})
    for (size_t at = 0; (at = text.find(escaped, at)) != std::string::npos; ++at)
      text.replace(at, escaped.size(), plain);
  return json::parse(text);
}

constexpr const char* strided = "-e 'program @layer(%x: f32[n=1, c=8, h=13, w=13], "
                                "%w: f32[o=32, i=8, h=3, w=3], %b: f32[o=32]) {\n"
                                "%0 = conv %x, %w, %b {pad = 1, stride = 2}\n"
                                "%y = relu %0\nreturn %y }' --target haswell";

} // namespace

TEST_CASE("the page holds the text of every stage", "[inspect_page]") {
  const TemporaryFolder folder;
  const json data = data_of(page_of(folder, strided));
  for (const std::string stage : {"program", "nest", "schedule", "loops", "llvm"}) {
    CAPTURE(stage);
    CHECK(joined(panel(data, stage)["text"]) ==
          run_volute(std::string("inspect ") + strided + " --stage " + stage).out);
  }
  CHECK(data["panels"].size() == 6);
  for (const json& one : data["panels"]) {
    CHECK(one["text"].size() == one["statements"].size());
    CHECK(one["text"].size() == one["line"].size());
    CHECK(one["text"].size() == one["nest"].size());
  }
}

TEST_CASE("each instruction of the page has its line of the loops and its statement",
          "[inspect_page]") {
  const TemporaryFolder folder;
  const json data = data_of(page_of(folder, strided));
  const json& code = panel(data, "asm");
  const json& loops = panel(data, "loops");
  int multiply_adds = 0, largest = 0;
  for (size_t i = 0; i < code["text"].size(); ++i) {
    const std::string text = code["text"][i];
    if (text.find("\tvfmadd") == 0) {
      ++multiply_adds;
      CHECK(data["sets"][code["statements"][i].get<size_t>()] == json({0})); // the convolution
      const std::string line = loops["text"][code["line"][i].get<size_t>() - 1];
      CHECK_THAT(line, ContainsSubstring("fma("));
    }
    if (text.find("\tvmaxps") == 0) {
      ++largest;
      CHECK(data["sets"][code["statements"][i].get<size_t>()] == json({1})); // the relu
    }
  }
  CHECK(multiply_adds > 0);
  CHECK(largest > 0);
  for (size_t i = 0; i < panel(data, "llvm")["text"].size(); ++i)
    if (panel(data, "llvm")["text"][i].get<std::string>().find("@llvm.fma") != std::string::npos &&
        panel(data, "llvm")["text"][i].get<std::string>().find("call") != std::string::npos)
      CHECK(panel(data, "llvm")["line"][i] > 0);
}

TEST_CASE("no text of a program, of a file's name or of a command is taken for part of the page",
          "[inspect_page]") {
  const TemporaryFolder folder;
  // A name of a file may hold all but a slash.
  const std::string name = "<script>hurt()<!-- & \"q\".vlt";
  write_file(folder / name, "// </script><script>hurt()</script>\n"
                            "program @p(%x: f32[n=1, c=1, h=4, w=4]) { %y = relu %x return %y }\n");
  const std::string page = page_of(folder, "'" + folder / name + "'");
  const std::string data_text = page.substr(page.find("id=\"data\">") + 10);
  CHECK(data_text.substr(0, data_text.find("</script>")).find('<') == std::string::npos);
  CHECK_THAT(data_of(page)["file"].get<std::string>(), ContainsSubstring(name));
  if (browser().empty()) return;
  const json seen = told(tried(folder, page,
                               "told.subtitle = byId('subtitle').textContent;\n"
                               "told.images = document.images.length;"));
  CHECK_THAT(seen["subtitle"].get<std::string>(), ContainsSubstring(name));
  CHECK(seen["images"] == 0);
}

TEST_CASE("nests and loops by hand have a page of what is behind them", "[inspect_page]") {
  const TemporaryFolder folder;
  for (const std::string stage : {"nest", "loops"}) {
    CAPTURE(stage);
    const Ran text = run_volute(std::string("inspect ") + strided + " --stage " + stage);
    write_file(folder / "given", text.out);
    const std::string page = page_of(folder, "'" + folder / "given" + "' --target haswell");
    const json data = data_of(page);
    CHECK(data["panels"].size() == (stage == "nest" ? 5 : 3));
    CHECK(joined(panel(data, stage)["text"]) == text.out);
    if (browser().empty()) continue;
    const json seen = told(tried(folder, page, "told.count = walk.count;"));
    CHECK(seen["count"] > 100);
  }
}

TEST_CASE("a time that was measured is on the page, and refused where it is none of this program",
          "[inspect_page]") {
  const TemporaryFolder folder;
  write_file(folder / "layer.vlt",
             "program @layer(%x: f32[n=1, c=8, h=12, w=12], %w: f32[o=8, i=8, h=3, w=3]) {\n"
             "  %y = conv %x, %w\n  return %y\n}\n");
  REQUIRE(run_volute("bench '" + folder / "layer.vlt" +
                     "' --against naive --seconds 0.005 --json '" + folder / "time.json" + "'")
              .status == 0);
  const json data = data_of(
      page_of(folder, "'" + folder / "layer.vlt" + "' --measured '" + folder / "time.json" + "'"));
  CHECK(data["measured"]["seconds"].get<double>() > 0);
  CHECK(data["measured"]["peak_flops"].get<double>() > 1e9);
  const Ran other = run_volute(std::string("inspect ") +
                               "-e 'program @other(%x: f32[n=1, c=1, h=4, w=4]) { %y = relu %x "
                               "return %y }' --html /dev/null --measured '" +
                               folder / "time.json" + "'");
  CHECK(other.status == 1);
  CHECK_THAT(other.err, ContainsSubstring("it has no time of @other"));
}

TEST_CASE("a page that cannot be written is refused before anything is compiled",
          "[inspect_page]") {
  const Ran ran = run_volute(std::string("inspect ") + strided + " --html /nowhere/page.html");
  CHECK(ran.status == 1);
  CHECK_THAT(ran.err, ContainsSubstring("/nowhere/page.html"));
  CHECK(run_volute(std::string("inspect ") + strided + " --html x.html --stage asm").status == 2);
}

// ---- in a browser -----------------------------------------------------------------------------

TEST_CASE("pointing at a line lights up what it came from and became", "[inspect_page]") {
  if (browser().empty()) {
    WARN("there is no browser here to open the page in");
    return;
  }
  const TemporaryFolder folder;
  const std::string page = page_of(folder, strided);
  const json seen = told(tried(folder, page, R"js(
    const lit = (stage, kind = 'lit') => panelOf(stage).elements.filter(e => e.classList.contains(kind)).map(e => panelOf(stage).text[e.at]);
    const find = (stage, words) => panelOf(stage).elements[panelOf(stage).text.findIndex(t => t.includes(words))];
    over(find('loops', '= fma('));
    told.fma = {code: lit('asm'), program: lit('program'), nest: lit('nest', 'soft')};
    over(find('asm', 'vmaxps'));
    told.max = {loops: lit('loops'), program: lit('program')};
    over(find('program', 'relu'));
    told.relu = {code: lit('asm'), loops: lit('loops')};
    click(find('nest', 'acc <- fma('));
    told.pinned = !!pinned;
    told.hint = byId('hint').textContent;
    over(find('program', 'relu')); // pointing changes nothing now
    told.still = lit('program');
    dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}));
    told.released = !pinned && !document.querySelector('.lit');
    const before = panelOf('loops').elements.filter(e => !e.classList.contains('hidden')).length;
    click(find('loops', 'step conv_y').children[1]);
    told.folded = before - panelOf('loops').elements.filter(e => !e.classList.contains('hidden')).length;
    click(find('loops', 'step conv_y').children[1]);
    told.unfolded = before - panelOf('loops').elements.filter(e => !e.classList.contains('hidden')).length;
    search('vfmadd');
    told.found = [finds.length, document.querySelectorAll('.found').length, panelOf('asm').text.filter(t => t.includes('vfmadd')).length];
    search('');
    told.cleared = document.querySelectorAll('.found').length;
    click(panelOf('llvm').root.querySelector('.head'));
    told.column = panelOf('llvm').root.parentNode.className;
    click(byId('theme'));
    told.theme = document.documentElement.dataset.theme;
  )js"));
  CAPTURE(seen.dump(1));
  for (const json& line : seen["fma"]["code"])
    CHECK_THAT(line.get<std::string>(), ContainsSubstring("vfmadd"));
  CHECK(seen["fma"]["code"].size() == 7); // rows of 7 pixels
  CHECK(seen["fma"]["program"].size() == 1);
  CHECK_THAT(seen["fma"]["program"][0].get<std::string>(), ContainsSubstring("conv"));
  CHECK(seen["fma"]["nest"].dump().find("acc <- fma(") != std::string::npos);
  CHECK(seen["max"]["loops"].size() == 1);
  CHECK_THAT(seen["max"]["loops"][0].get<std::string>(), ContainsSubstring("max(0, "));
  CHECK(seen["max"]["program"].size() == 1);
  CHECK_THAT(seen["max"]["program"][0].get<std::string>(), ContainsSubstring("relu"));
  CHECK(seen["relu"]["code"].dump().find("vfmadd") == std::string::npos);
  CHECK(seen["relu"]["code"].dump().find("vmaxps") != std::string::npos);
  CHECK(seen["pinned"] == true);
  CHECK_THAT(seen["hint"].get<std::string>(), ContainsSubstring("for %0"));
  CHECK_THAT(seen["still"][0].get<std::string>(), ContainsSubstring("conv"));
  CHECK(seen["released"] == true);
  CHECK(seen["folded"] > 5);
  CHECK(seen["unfolded"] == 0);
  CHECK(seen["found"][0] == seen["found"][1]);
  CHECK(seen["found"][0] == seen["found"][2]);
  CHECK(seen["cleared"] == 0);
  CHECK(seen["column"] == "column folded");
  CHECK(seen["theme"] == "dark");
}

TEST_CASE("the walk runs the loops: every product once, and every result is stored",
          "[inspect_page]") {
  if (browser().empty()) {
    WARN("there is no browser here to open the page in");
    return;
  }
  struct Case {
    const char* name;
    const char* program;
  };
  static const Case cases[] = {
      {"strided", strided},
      {"3-D and grouped",
       "-e 'program @p(%x: f32[n=2, c=8, d=5, h=7, w=9], %w: f32[o=16, i=2, d=3, h=3, w=3]) {\n"
       "%y = conv %x, %w {pad = 1, groups = 4, stride = [1, 2, 1]}\nreturn %y }' --target znver4"},
      {"13x13", "-e 'program @p(%x: f32[n=1, c=8, h=20, w=20], %w: f32[o=8, i=1, h=13, w=13]) {\n"
                "%y = conv %x, %w {pad = 6, groups = 8}\nreturn %y }' --target znver4"},
      {"transposed",
       "-e 'program @p(%x: f32[n=1, c=8, h=7, w=7], %w: f32[i=8, o=16, h=4, w=4]) {\n"
       "%y = conv_transpose %x, %w {stride = 2, pad = 1}\nreturn %y }' --target znver4"},
      {"dilated and pooled",
       "-e 'program @p(%x: f32[n=1, h=20, w=20, c=16], %w: f32[o=16, i=16, h=3, w=3]) {\n"
       "%0 = conv %x, %w {pad = 2, dilation = 2}\n%y = max_pool %0 {kernel = 3, stride = 2, pad = "
       "1}\nreturn %y }' --target znver4"},
      {"split channels",
       "-e 'program @p(%x: f32[n=1, c=2, h=9, w=9, c=8], %w: f32[o=16, i=16, h=3, w=3]) {\n"
       "%y = conv %x, %w {pad = 1}\nreturn %y }' --target haswell"},
      {"bytes", "-e 'program @p(%x: u8[n=1, h=9, w=9, c=16], %w: i8[o=16, i=16, h=3, w=3]) {\n"
                "%y = conv %x, %w\nreturn %y }' --target znver4"},
      {"reflected",
       "-e 'program @p(%x: f32[n=1, c=4, h=9, w=9], %w: f32[o=8, i=4, h=3, w=3]) {\n"
       "%y = conv %x, %w {pad = 1, padding_mode = reflect}\nreturn %y }' --target znver4"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const TemporaryFolder folder;
    const json seen = told(tried(folder, page_of(folder, c.program), R"js(
      told.steps = [];
      data.steps.forEach((step, k) => {
        choose(k);
        let products = 0, last = -1;
        for (let at = 0; at < walk.count; ++at) { const m = walk.at(at); products += walk.happens(m.leaf, m.env, 1e9).products; }
        while (!walk.isScanned) walk.scanFor(1000);
        const stored = {};
        for (const [buffer, table] of walk.when) stored[data.buffers[buffer].name] = table.filter(at => at < Infinity).length;
        const named = new Set(data.parts.filter(p => p.step === step.name).map(p => p.nest));
        const reported = data.report.nests.filter(n => named.has(n.name)).reduce((n, r) => n + r.executed_multiply_adds, 0);
        told.steps.push({name: step.name, count: walk.count, products, reported, stored, ordered: walk.stores.every((s, i) => !i || walk.stores[i - 1] < s), last: walk.stores[walk.stores.length - 1]});
      });
      told.outputs = data.buffers.filter(b => b.role === 'output').map(b => [b.name, b.elements]);
    )js"));
    CAPTURE(seen.dump(1));
    for (const json& step : seen["steps"]) {
      CHECK(step["ordered"] == true);
      CHECK(step["last"].get<double>() < step["count"].get<double>());
      if (step["reported"].get<double>() > 0) CHECK(step["products"] == step["reported"]);
    }
    for (const json& output : seen["outputs"]) {
      double stored = 0; // by all steps that write it: phases have steps of their own
      for (const json& step : seen["steps"])
        stored += step["stored"].value(output[0].get<std::string>(), 0.0);
      CHECK(stored == output[1].get<double>());
    }
  }
}

TEST_CASE("the walk is played, stepped and scrubbed, and a result tells what it is made of",
          "[inspect_page]") {
  if (browser().empty()) {
    WARN("there is no browser here to open the page in");
    return;
  }
  const TemporaryFolder folder;
  const json seen = told(tried(folder, page_of(folder, strided), R"js(
    const at = () => Number(byId('walk').dataset.moment);
    told.begin = at();
    click(byId('forth')); click(byId('forth')); told.forth = at();
    click(byId('back')); told.back = at();
    click(byId('tile')); told.store = at(); told.stores = walk.stores.includes(at());
    byId('scrub').value = 500; byId('scrub').dispatchEvent(new Event('input')); told.scrub = at();
    told.now = document.querySelectorAll('.l.now').length;
    told.chips = [...document.querySelectorAll('.chip')].map(c => c.textContent);
    const image = figures.find(f => f.name === 'x'), result = figures.find(f => f.name === 'y');
    told.padding = image.axes.map(a => [a.before, a.after]);
    told.packed = figures.find(f => f.name === 'w').note;
    const box = result.canvas.getBoundingClientRect();
    result.slice = [0, 5, 0, 0];
    point(result, {clientX: box.left + 1, clientY: box.top + 1});
    told.corner = byId('tip').textContent;
    told.field = field.get('x').all.length;
    point(result, {clientX: box.left + 3.5 * result.cell, clientY: box.top + 3.5 * result.cell});
    told.inside = field.get('x').all.length;
    click(byId('play')); told.playing = playing;
    lastFrame = 1000; frame(1100); told.moved = at(); // a tenth of a second of the browser's clock
  )js"));
  CAPTURE(seen.dump(1));
  CHECK(seen["begin"] == 0);
  CHECK(seen["forth"] == 2);
  CHECK(seen["back"] == 1);
  CHECK(seen["store"] > 1);
  CHECK(seen["stores"] == true);
  CHECK(seen["scrub"] == 500);
  CHECK(seen["now"] > 0);
  CHECK(seen["chips"].size() > 2);
  CHECK(seen["padding"] == json::parse("[[0,0],[0,0],[1,1],[1,1]]"));
  CHECK(seen["packed"] == ", packed as w_packed");
  CHECK_THAT(seen["corner"].get<std::string>(),
             ContainsSubstring("y[0, 5, 0, 0]from 32 points; 40 taps fall into the padding"));
  CHECK(seen["field"] == 32);
  CHECK(seen["inside"] == 72);
  CHECK(seen["playing"] == true);
  CHECK(seen["moved"] > 500);
}

// ---- in numbers --------------------------------------------------------------------------------

TEST_CASE("the page holds the tensors of a call, bit for bit", "[inspect_page]") {
  const TemporaryFolder folder;
  REQUIRE(
      run_volute(std::string("run ") + strided + " --fill random:3 -o y='" + folder / "y.npy" + "'")
          .status == 0);
  const json data = data_of(page_of(folder, std::string(strided) + " --fill random:3"));
  std::map<std::string, json> by_name;
  for (const json& value : data["values"]) by_name[value["name"]] = value;
  CHECK(by_name.size() == 4); // x, w, b, y
  CHECK(by_name.at("x")["role"] == "input");
  CHECK(by_name.at("y")["role"] == "result");
  CHECK(by_name.at("y")["type"] == "f32[n=1, c=32, h=7, w=7]");
  const std::string npy = read_file(folder / "y.npy"); // its numbers stand at the end
  constexpr size_t bytes = 4 * 32 * 7 * 7;
  CHECK(by_name.at("y")["data"] ==
        volute::ir::base64(reinterpret_cast<const std::byte*>(npy.data()) + npy.size() - bytes,
                           bytes));
  // An input from a file, and a page without numbers.
  CHECK(data_of(page_of(folder, "-e 'program @p(%x: f32[n=1, c=32, h=7, w=7]) { %z = relu %x "
                                "return %z }' x='" +
                                    folder / "y.npy" + "'"))["values"][0]["data"] ==
        by_name.at("y")["data"]);
  CHECK(!data_of(page_of(folder, strided)).contains("values"));
  const Ran alone = run_volute(std::string("inspect ") + strided + " --stage nest x=x.npy");
  CHECK(alone.status == 2);
  CHECK_THAT(alone.err, ContainsSubstring("--html alone"));
}

TEST_CASE("the arithmetic of an element on the page is what the kernel has computed",
          "[inspect_page]") {
  if (browser().empty()) {
    WARN("there is no browser here to open the page in");
    return;
  }
  struct Case {
    const char *name, *program, *fill;
    double within; // of the largest result
  };
  static const Case cases[] = {
      {"strided", strided, "random", 0},
      {"Winograd's",
       "-e 'program @p(%x: f32[n=1, c=32, h=24, w=24], %w: f32[o=32, i=32, h=3, w=3]) {\n"
       "%0 = conv %x, %w {pad = 1}\n%y = relu %0\nreturn %y }' "
       "--accuracy 3 --schedule 'form conv_y winograd4x4'",
       "normal", 1e-5},
      {"3-D and grouped",
       "-e 'program @p(%x: f32[n=2, c=8, d=5, h=7, w=9], %w: f32[o=16, i=2, d=3, h=3, w=3]) {\n"
       "%y = conv %x, %w {pad = 1, groups = 4, stride = [1, 2, 1]}\nreturn %y }'",
       "random", 0},
      {"13x13",
       "-e 'program @p(%x: f32[n=1, c=8, h=20, w=20], %w: f32[o=8, i=1, h=13, w=13]) {\n"
       "%y = conv %x, %w {pad = 6, groups = 8}\nreturn %y }'",
       "random", 0},
      {"transposed",
       "-e 'program @p(%x: f32[n=1, c=8, h=7, w=7], %w: f32[i=8, o=16, h=3, w=3]) {\n"
       "%y = conv_transpose %x, %w {stride = 2, pad = 1, output_padding = 1}\nreturn %y }'",
       "random", 0},
      {"a chain in bands",
       "-e 'program @p(%x: f32[n=1, h=20, w=20, c=16], %w: f32[o=16, i=16, h=3, w=3]) {\n"
       "%0 = conv %x, %w {pad = 2, dilation = 2}\n%y, %i = max_pool %0 {kernel = 3, stride = 2, "
       "pad = 1}\nreturn %y, %i }'",
       "random", 0},
      {"averages",
       "-e 'program @p(%x: f32[n=1, c=8, h=11, w=11]) {\n%y = avg_pool %x {kernel = 3, "
       "stride = 2, pad = 1, ceil_mode = true}\n%z = lp_pool %x {kernel = 2}\n"
       "%v = global_avg_pool %x\nreturn %y, %z, %v }'",
       "random", 1e-6},
      {"split channels",
       "-e 'program @p(%x: f32[n=1, c=2, h=9, w=9, c=8], %w: f32[o=16, i=16, h=3, w=3]) {\n"
       "%y = conv %x, %w {pad = 1}\nreturn %y }'",
       "random", 0},
      {"bytes",
       "-e 'program @p(%x: u8[n=1, h=9, w=9, c=16], %w: i8[o=16, i=16, h=3, w=3]) {\n"
       "%0 = conv %x, %w {pad = 1, x_zero_point = 3}\n%y = requantize %0 {scale = 0.013, "
       "zero_point = 5} : i8[n=1, h=9, w=9, c=16]\nreturn %y }'",
       "random", 0},
      {"bf16",
       "-e 'program @p(%x: bf16[n=1, c=4, h=9, w=9], %w: bf16[o=8, i=4, h=3, w=3]) {\n"
       "%0 = conv %x, %w\n%y = gelu %0\nreturn %y }'",
       "normal", 8e-3},
      {"f16",
       "-e 'program @p(%x: f16[n=1, c=4, h=9, w=9], %w: f16[o=8, i=4, h=3, w=3]) {\n"
       "%0 = conv %x, %w\n%y = mish %0\nreturn %y }'",
       "normal", 1e-3},
      {"reflected, with a constant filter",
       "-e 'program @p(%x: f32[n=1, c=1, h=9, w=9]) {\n"
       "%k = const [1, 2, 1, 0, 0, 0, -1, -2, -1] : f32[o=1, i=1, h=3, w=3]\n"
       "%0 = conv %x, %k {pad = 1, padding_mode = reflect}\n%1 = sigmoid %0\n"
       "%y = add %1, %x\nreturn %y }'",
       "random", 1e-6},
      {"f64",
       "-e 'program @p(%x: f64[n=1, c=4, h=9, w=9], %w: f64[o=8, i=4, h=3, w=3]) {\n"
       "%y = conv %x, %w\nreturn %y }'",
       "random", 0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const TemporaryFolder folder;
    const std::string page = page_of(folder, std::string(c.program) + " --fill " + c.fill);
    const json seen = told(tried(folder, page, R"js(
      told.results = [];
      for (const v of values.values()) {
        if (v.role !== 'result') continue;
        let worst = 0, largest = 0, looked = 0, failed = 0, summed = 0;
        for (const x of v.array) largest = Math.max(largest, Math.abs(x));
        for (let e = 0; e < v.array.length; e += Math.max(1, Math.floor(v.array.length / 150))) {
          const a = arithmeticOf(v.name, e);
          ++looked;
          const off = Math.abs(a.result - v.array[e]);
          if (!(off <= worst)) worst = off;
          if (a.numbers && a.adds) {
            let sum = a.initial;
            for (let p = 0; p < a.points; ++p) if (a.isInside[p]) sum += a.terms[p];
            if (!(Math.abs(sum - a.sum) <= 1e-5 * (1 + Math.abs(a.sum) + largest))) ++failed;
            if (a.bySlice && Math.abs(a.bySlice.reduce((x, y) => x + y, a.initial) - sum) > 1e-6 * (1 + largest)) ++failed;
            ++summed;
          }
        }
        told.results.push({name: v.name, worst, largest, looked, failed, summed});
      }
    )js"));
    CAPTURE(seen.dump(1));
    REQUIRE(!seen["results"].empty());
    for (const json& result : seen["results"]) {
      CHECK(result["looked"] > 0);
      CHECK(result["failed"] == 0);
      CHECK(result["largest"] > 0);
      REQUIRE(result["worst"].is_number());
      CHECK(result["worst"].get<double>() <= c.within * result["largest"].get<double>());
    }
  }
}

TEST_CASE("pointing at a pixel tells its taps, its products and their sum", "[inspect_page]") {
  if (browser().empty()) {
    WARN("there is no browser here to open the page in");
    return;
  }
  const TemporaryFolder folder;
  const std::string page = page_of(folder, std::string(strided) + " --fill random");
  const json seen = told(tried(folder, page, R"js(
    const sheet = sheets.find(s => s.v.name === 'y');
    const at = (s, k, w, h) => { const box = s.canvas.getBoundingClientRect(); return {clientX: box.left + k % s.inRow * s.step + (w + 0.5) * s.cell, clientY: box.top + Math.floor(k / s.inRow) * s.down + (h + 0.5) * s.cell}; };
    const send = (s, kind, place) => s.canvas.dispatchEvent(new MouseEvent(kind, {bubbles: true, ...place}));
    told.sheets = sheets.map(s => [s.v.name, s.count]);
    told.first = byId('sum').textContent;
    send(sheet, 'mousemove', at(sheet, 5, 0, 0));
    told.tip = byId('tip').textContent;
    explainShown(); // what the browser does with its next picture
    told.corner = byId('sum').textContent;
    told.marked = [field.get('x').all.length, field.get('w').all.length, field.get('b').all.length];
    told.bias = values.get('b').array[5];
    told.result = values.get('y').array[5 * 49];
    send(sheet, 'click', at(sheet, 5, 0, 0));
    send(sheet, 'mousemove', at(sheet, 7, 3, 3));
    explainShown();
    told.kept = byId('sum').textContent;
    const bars = document.querySelector('.slices canvas'), box = bars.getBoundingClientRect();
    bars.dispatchEvent(new MouseEvent('click', {bubbles: true, clientX: box.left + box.width * 2.5 / 8, clientY: box.top + 3}));
    told.slice = arithmetic.slice;
    const product = document.querySelectorAll('.matrices canvas')[2], area = product.getBoundingClientRect();
    const tap = (c, r) => product.dispatchEvent(new MouseEvent('mousemove', {bubbles: true, clientX: area.left + (c + 0.5) * area.width / 3, clientY: area.top + (r + 0.5) * area.height / 3}));
    tap(2, 1); told.tap = byId('tip').textContent;
    tap(0, 0); told.padding = byId('tip').textContent;
    told.terms = [values.get('x').array[2 * 169 + 1], values.get('w').array[5 * 72 + 2 * 9 + 5]];
    dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}));
    told.released = kept === null;
    // The walk has the grey of numbers where they are known, and its pointer tells them too.
    const image = figures.find(f => f.name === 'x');
    const colours = () => { const copy = document.createElement('canvas').getContext('2d', {willReadFrequently: true}); copy.drawImage(image.base, 0, 0); return new Set(copy.getImageData(1, 1, 8, 8).data).size; };
    told.tinted = colours();
    click(byId('tint'));
    told.plain = colours();
  )js"));
  CAPTURE(seen.dump(1));
  CHECK(seen["sheets"] == json::parse(R"([["x", 8], ["w", 256], ["b", 1], ["y", 32]])"));
  CHECK_THAT(seen["first"].get<std::string>(), ContainsSubstring("y[0, 0, 3, 3]"));
  CHECK_THAT(seen["tip"].get<std::string>(), ContainsSubstring("y[0, 5, 0, 0]"));
  CHECK_THAT(seen["corner"].get<std::string>(),
             ContainsSubstring("y[0, 5, 0, 0]") && ContainsSubstring("begins with b[5]") &&
                 ContainsSubstring("32 products: 8 i × 3 kh × 3 kw, 40 more in the padding") &&
                 ContainsSubstring("y = max(0, sum)"));
  CHECK(seen["marked"] == json::parse("[32, 32, 1]"));
  CHECK_THAT(seen["kept"].get<std::string>(), ContainsSubstring("y[0, 5, 0, 0]"));
  CHECK(seen["slice"] == 2);
  CHECK_THAT(seen["tap"].get<std::string>(), ContainsSubstring("x[0, 2, 0, 1] · w[5, 2, 1, 2]"));
  CHECK_THAT(seen["padding"].get<std::string>(), ContainsSubstring("padding"));
  CHECK(seen["released"] == true);
  CHECK(seen["tinted"] > 6);
  CHECK(seen["plain"] <= 6);
}
