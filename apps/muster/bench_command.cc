#include "apps/muster/bench_command.h"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <signal.h>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "muster_commit.h"
#include <CLI/CLI.hpp>

#include "muster/bench/bench_run.h"

namespace muster::app {

/// What the command line said; times in the units of their flags.
struct BenchArguments {
  bench::Settings settings;
  std::string data, body, expect, arrivals, json, phases;
  std::vector<std::string> compare;
  double duration_s = 0, warm_up_s = -1, slo_ms = 0, series_ms = 0, give_up_ms = 10'000,
         share = 0.99;
  bool raw = false, oip = false, find_rate = false;
};

namespace {

using base::InvalidArgument;
using base::Result;

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "it is set by a signal handler");

base::Duration Millis(double ms) { return base::Duration(static_cast<std::int64_t>(ms * 1e6)); }

int Fail(const base::Error& error) {
  std::fprintf(stderr, "muster: %s\n", error.message.c_str());
  return error.code == base::Code::kInvalidArgument ? 2 : 1;
}

Result<std::string> ReadFile(const std::string& path, std::string_view flag) {
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in && text.empty()) {
    return InvalidArgument(std::string(flag) + ": cannot read `" + path + "`");
  }
  return text;
}

void AddRequestOptions(CLI::App& command, BenchArguments& a) {
  bench::RequestOptions& request = a.settings.request;
  command.add_option("--model", request.model, "model (default: the URL's, else the server's)")
      ->type_name("NAME");
  command.add_flag("--raw", a.raw, "bodies of raw numbers (application/octet-stream)");
  command.add_flag("--oip", a.oip, "Open Inference Protocol v2, JSON: /v2/models/{model}/infer");
  command.add_option("--rows", request.rows, "rows a request (default 1)")->type_name("N");
  command.add_option("--data", a.data, "JSON bodies to send, one a line (default: made up)")
      ->type_name("FILE");
  command.add_option("--body", a.body, "the body of every request, sent as it is: a picture")
      ->type_name("FILE");
  command
      .add_option("--content-type", request.content_type,
                  "of --body (default application/octet-stream)")
      ->type_name("TYPE");
  command.add_option("--expect", a.expect, "JSON values to expect, one a line for each input")
      ->type_name("FILE");
  command.add_option("--inputs", request.inputs, "inputs to make up (default 512)")->type_name("N");
  command.add_option("--seed", request.seed, "of inputs and arrivals (default 1)")->type_name("N");
  command.add_option("--timeout-ms", request.timeout_ms, "sent as X-Request-Timeout-Ms")
      ->type_name("MS")
      ->check(CLI::PositiveNumber);
  command.add_option("--tolerance", a.settings.tolerance, "of values, relative (default 1e-5)")
      ->type_name("X");
  command
      .add_option("--check-share", a.settings.check_share,
                  "of the answers compared while timing, 0 to 1 (default 0.0625)")
      ->type_name("X");
}

void AddLoadOptions(CLI::App& command, BenchArguments& a) {
  bench::Settings& s = a.settings;
  command.add_option("--connections,-c", s.connections, "connections (default 64)")->type_name("N");
  command
      .add_option("--duration,-d", a.duration_s,
                  "seconds of the timed part (default 10; of a step of --find-rate 3)")
      ->type_name("S");
  command.add_option("--warm-up", a.warm_up_s, "seconds before it (default 1; --find-rate 0.5)")
      ->type_name("S");
  command.add_option("--rate", s.rate, "open loop: requests/s on a schedule drawn beforehand")
      ->type_name("R")
      ->check(CLI::PositiveNumber);
  command.add_option("--phases", a.phases, "open loop: rates in turn, instead of one")
      ->type_name("RATE:S,…");
  command.add_option("--arrivals", a.arrivals, "poisson (default), constant or bursty")
      ->type_name("KIND");
  command
      .add_option("--max-connections", s.max_connections,
                  "open loop: opened where all are busy, up to this (default 1024)")
      ->type_name("N");
  command.add_option("--connect-burst", s.burst, "connections opened at once in the middle")
      ->type_name("N");
  command.add_option("--give-up-ms", a.give_up_ms, "an answer later is none (default 10000)")
      ->type_name("MS")
      ->check(CLI::PositiveNumber);
  command.add_option("--repeats", s.repeats, "runs, for min, median and max (default 1)")
      ->type_name("N");
  command.add_option("--threads", s.threads, "of the generator (default 1)")->type_name("N");
  command.add_option("--cores", s.cores, "cores its threads are pinned to")
      ->type_name("N,…")
      ->delimiter(',')
      ->allow_extra_args(false);  // what follows may be the URL
}

void AddGoalOptions(CLI::App& command, BenchArguments& a) {
  command.add_option("--slo-ms", a.slo_ms, "report the share answered 200 within this")
      ->type_name("MS")
      ->check(CLI::PositiveNumber);
  command.add_flag("--find-rate", a.find_rate,
                   "look for the highest rate with --share of the requests within --slo-ms");
  command.add_option("--share", a.share, "for --find-rate (default 0.99)")
      ->type_name("X")
      ->check(CLI::Range(0.01, 1.0));
  command.add_option("--series-ms", a.series_ms, "report each stretch of this length too (JSON)")
      ->type_name("MS")
      ->check(CLI::PositiveNumber);
  command.add_option("--json", a.json, "write the report as JSON, - for standard output")
      ->type_name("FILE|-");
  command.add_option("--compare", a.compare, "two JSON reports side by side")
      ->type_name("A.json B.json")
      ->expected(2);
}

/// "100:5,1000:30" as phases; they say rate and duration of the whole.
base::Status ReadPhases(const std::string& text, bench::Settings& s) {
  s.duration = base::Duration(0);
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    bench::Phase phase;
    double seconds = 0;
    int read = 0;
    const int values = std::sscanf(part.c_str(), "%lf:%lf%n", &phase.rate, &seconds, &read);
    if (values != 2 || static_cast<std::size_t>(read) != part.size()) {
      return InvalidArgument("--phases: expected RATE:SECONDS, got `" + part + "`");
    }
    phase.duration = Millis(1000 * seconds);
    s.duration += phase.duration;
    s.phases.push_back(phase);
  }
  if (s.phases.empty()) return InvalidArgument("--phases: expected RATE:SECONDS,…");
  s.rate = s.phases.front().rate;
  return {};
}

Result<bench::Settings> SettingsOf(const BenchArguments& a) {
  bench::Settings s = a.settings;
  if (s.url.empty()) return InvalidArgument("bench: expected the URL of a server");
  if (a.raw && a.oip) return InvalidArgument("expected --raw or --oip, got both");
  if (a.raw && !a.data.empty()) return InvalidArgument("--data: bodies of JSON are not --raw");
  if (!a.body.empty() && (a.raw || a.oip || !a.data.empty())) {
    return InvalidArgument("--body: expected without --raw, --oip and --data");
  }
  if (a.body.empty() && !s.request.content_type.empty()) {
    return InvalidArgument("--content-type: expected --body FILE with it");
  }
  if (!a.body.empty()) s.request.kind = bench::RequestKind::kBody;
  if (a.raw) s.request.kind = bench::RequestKind::kRaw;
  if (a.oip) s.request.kind = bench::RequestKind::kOip;
  const bool phases = !a.phases.empty();
  if (phases && (s.rate > 0 || a.find_rate || a.duration_s != 0)) {
    return InvalidArgument("--phases: expected without --rate, --duration and --find-rate");
  }
  if (s.rate > 0 || a.find_rate || phases) s.arrivals = bench::ArrivalKind::kPoisson;
  if (!a.arrivals.empty()) {
    if (!s.arrivals) return InvalidArgument("--arrivals: expected --rate R with it");
    s.arrivals = bench::ParseArrivalKind(a.arrivals);
    if (!s.arrivals) {
      return InvalidArgument("--arrivals: expected poisson, constant or bursty, got `" +
                             a.arrivals + "`");
    }
  }
  if (a.find_rate && a.slo_ms <= 0) {
    return InvalidArgument("--find-rate: expected --slo-ms MS with it");
  }
  s.duration = Millis(1000 * (a.duration_s != 0 ? a.duration_s : a.find_rate ? 3 : 10));
  if (phases) MUSTER_RETURN_IF_ERROR(ReadPhases(a.phases, s));
  s.warm_up = Millis(1000 * (a.warm_up_s >= 0 ? a.warm_up_s : a.find_rate ? 0.5 : 1));
  s.give_up = Millis(a.give_up_ms);
  s.slice = Millis(a.series_ms);
  s.arrivals_seed = s.request.seed;
  if (a.slo_ms > 0) s.slo = Millis(a.slo_ms);
  if (!a.data.empty()) {
    MUSTER_ASSIGN_OR_RETURN(s.data, ReadFile(a.data, "--data"));
  }
  if (!a.body.empty()) {
    MUSTER_ASSIGN_OR_RETURN(s.body, ReadFile(a.body, "--body"));
    if (s.body.empty()) return InvalidArgument("--body: `" + a.body + "` is empty");
  }
  if (!a.expect.empty()) {
    MUSTER_ASSIGN_OR_RETURN(s.expect, ReadFile(a.expect, "--expect"));
  }
  return s;
}

void ShowProgress(std::uint64_t answers, base::Duration elapsed) {
  std::fprintf(stderr, "\r%6.1f s  %llu answers  %.0f/s ", base::ToMillis(elapsed) / 1000,
               static_cast<unsigned long long>(answers),
               static_cast<double>(answers) * 1000 / base::ToMillis(elapsed));
}

std::string CommandOf(int argc, char** argv) {
  std::string command = "muster";
  for (int i = 1; i < argc; ++i) command += std::string(" ") + argv[i];
  return command;
}

/// The first request that a signal interrupts is the last; a second signal ends the process.
void StopOnSignal() {
  struct sigaction action{};
  action.sa_handler = [](int) { stop.store(true, std::memory_order_relaxed); };
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool WriteJson(const std::string& to, const std::string& report) {
  if (to == "-") return std::fwrite(report.data(), 1, report.size(), stdout) == report.size();
  std::ofstream out(to, std::ios::binary);
  out << report;
  out.close();
  return !out.fail();
}

int Report(const BenchArguments& a, const bench::Measurement& m) {
  const std::string text = bench::TextReport(m);
  // Standard output holds either report, never both.
  std::fputs(text.c_str(), a.json == "-" ? stderr : stdout);
  if (!a.json.empty() && !WriteJson(a.json, bench::JsonReport(m))) {
    std::fprintf(stderr, "muster: --json: cannot write `%s`\n", a.json.c_str());
    return 1;
  }
  bool answered = m.search.has_value();
  for (const bench::Total& total : m.runs) {
    answered |= total.status.contains(200);
    if (total.wrong > 0) {
      std::fprintf(stderr, "muster: wrong answer: %s\n", total.first_wrong.c_str());
      return 1;
    }
  }
  if (!answered) std::fprintf(stderr, "muster: no request was answered with 200\n");
  return answered ? 0 : 1;
}

int Compare(const std::vector<std::string>& files) {
  auto first = ReadFile(files[0], "--compare");
  auto second = ReadFile(files[1], "--compare");
  if (!first) return Fail(first.error());
  if (!second) return Fail(second.error());
  const auto text = bench::CompareReports(*first, *second);
  if (!text) return Fail(text.error());
  std::fputs(text->c_str(), stdout);
  return 0;
}

}  // namespace

BenchCommand::BenchCommand(CLI::App& app)
    : arguments_(std::make_unique<BenchArguments>()),
      command_(app.add_subcommand("bench", "measure a server under load")) {
  command_->add_option("URL", arguments_->settings.url,
                       "server, or route of a model: http://localhost:8000/predict/iris");
  AddRequestOptions(*command_, *arguments_);
  AddLoadOptions(*command_, *arguments_);
  AddGoalOptions(*command_, *arguments_);
}

BenchCommand::~BenchCommand() = default;

bool BenchCommand::parsed() const { return command_->parsed(); }

int BenchCommand::Run(int argc, char** argv) const {
  const BenchArguments& a = *arguments_;
  if (!a.compare.empty()) return Compare(a.compare);
  const auto settings = SettingsOf(a);
  if (!settings) return Fail(settings.error());
  StopOnSignal();
  signal(SIGPIPE, SIG_IGN);
  bench::RunHooks hooks{.stop = stop};
  const bool terminal = isatty(STDERR_FILENO) == 1;
  if (terminal) {
    hooks.progress = ShowProgress;
    std::fprintf(stderr, "checking the answers …");
  }
  bench::RateSearchOptions search{.share = a.share};
  if (settings->rate > 0) search.first = settings->rate;
  auto measured = a.find_rate ? bench::MeasureHighestRate(*settings, search, hooks)
                              : bench::MeasureLoad(*settings, hooks);
  if (terminal) std::fprintf(stderr, "\r\033[K");
  if (!measured) return Fail(measured.error());
  measured->origin.command = CommandOf(argc, argv);
  measured->origin.version = MUSTER_VERSION;
  measured->origin.commit = MUSTER_COMMIT;
  return Report(a, *measured);
}

}  // namespace muster::app
