#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>

#include "apps/muster/commands.h"
#include "apps/muster/one_model.h"
#include "apps/muster/runtime.h"

#include "muster/bench/bare_report.h"
#include "muster/server/codec/json_writer.h"

namespace muster::app {
namespace {

template <class T>
std::vector<T> SortedOnce(std::vector<T> values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

/// Every number of instances with every number of threads; those nobody asked for only where there
/// are cores for all their threads.
std::vector<bench::Split> Splits(const BenchModelArguments& arguments, int cores) {
  const auto numbers = [cores](const std::vector<int>& given) {
    return SortedOnce(given.empty() ? std::vector<int>{1, cores} : given);
  };
  const bool given = !arguments.instances.empty() || !arguments.threads.empty();
  std::vector<bench::Split> splits;
  for (const int instances : numbers(arguments.instances)) {
    for (const int threads : numbers(arguments.threads)) {
      if (given || instances * threads <= cores) splits.push_back({instances, threads});
    }
  }
  return splits;
}

base::Result<bench::BareOptions> ReadBare(const Options& options,
                                          const BenchModelArguments& arguments) {
  if (!(arguments.seconds > 0 && arguments.seconds <= 3600)) {
    return base::InvalidArgument("--seconds: expected more than 0, at most 3600");
  }
  bench::BareOptions bare;
  bare.batch_sizes = SortedOnce(arguments.batch_sizes);
  bare.splits = Splits(arguments, options.engine.cores);
  bare.per_point = base::Duration(std::llround(arguments.seconds * 1e9));
  MUSTER_RETURN_IF_ERROR(bare.Validate());
  return bare;
}

/// What of a model was measured, and how long each point took.
struct Measured {
  std::string model;
  std::string version;
  double seconds = 0;
  bench::BareSweep sweep;
};

void WritePoint(server::codec::JsonWriter& w, const bench::BarePoint& point) {
  w.BeginObject();
  w.Key("batch_size");
  w.Number(point.batch_size);
  w.Key("rows_per_s");
  w.Number(point.rows_per_s);
  w.Key("median_ms");
  w.Number(base::ToMillis(point.median));
  w.Key("p99_ms");
  w.Number(base::ToMillis(point.p99));
  w.Key("runs");
  w.Number(point.runs);
  w.Key("checked_rows");
  w.Number(point.checked_rows);
  w.EndObject();
}

void WriteCurve(server::codec::JsonWriter& w, const bench::BareCurve& curve) {
  w.BeginObject();
  w.Key("instances");
  w.Number(curve.split.instances);
  w.Key("threads");
  w.Number(curve.split.threads);
  w.Key("ended");
  w.String(bench::EndName(curve.end));
  if (!curve.points.empty()) {
    w.Key("best");
    WritePoint(w, *bench::BestOf(curve.points));
    w.Key("knee");
    WritePoint(w, *bench::KneeOf(curve.points));
  }
  w.Key("points");
  w.BeginArray();
  for (const bench::BarePoint& point : curve.points) WritePoint(w, point);
  w.EndArray();
  w.EndObject();
}

std::string ToJson(const Measured& measured) {
  std::string out;
  server::codec::JsonWriter w(out);
  w.BeginObject();
  w.Key("model");
  w.String(measured.model);
  w.Key("version");
  w.String(measured.version);
  w.Key("seconds_per_point");
  w.Number(measured.seconds);
  w.Key("distinct_inputs");
  w.Number(measured.sweep.distinct_inputs);
  w.Key("curves");
  w.BeginArray();
  for (const bench::BareCurve& curve : measured.sweep.curves) WriteCurve(w, curve);
  w.EndArray();
  w.EndObject();
  return out + "\n";
}

base::Result<Measured> Measure(const Options& options, const BenchModelArguments& arguments,
                               const bench::BareOptions& bare) {
  MUSTER_ASSIGN_OR_RETURN(const registry::ModelFolder folder, FindOne(options));
  MUSTER_ASSIGN_OR_RETURN(const auto loader, OpenLoader(options));
  const registry::VersionFile& file = NewestOf(folder);
  std::printf("%s version %s: bare engine, %g s a point\n%s", folder.name.c_str(),
              file.version.c_str(), arguments.seconds, bench::TableTitle().c_str());
  std::fflush(stdout);
  MUSTER_ASSIGN_OR_RETURN(
      bench::BareSweep sweep,
      bench::MeasureBare(*loader, {.path = file.path, .bytes = {}}, bare, base::RealClock(),
                         [](const bench::Split& split, const bench::BarePoint& point) {
                           std::fputs(bench::TableLine(split, point).c_str(), stdout);
                           std::fflush(stdout);
                         })
          .WithContext("model " + folder.name));
  return Measured{folder.name, file.version, arguments.seconds, std::move(sweep)};
}

base::Status Report(const Measured& measured, const BenchModelArguments& arguments) {
  std::fputs(bench::Summary(measured.sweep).c_str(), stdout);
  if (!arguments.json.empty()) {
    MUSTER_RETURN_IF_ERROR(WriteText(arguments.json, ToJson(measured)));
  }
  if (arguments.svg.empty()) return {};
  return WriteText(arguments.svg, bench::ToSvg(bench::PlotOf(measured.sweep, measured.model)));
}

}  // namespace

int BenchModel(const Options& options, const BenchModelArguments& arguments) {
  const auto fail = [](const base::Error& error, int code) {
    std::fprintf(stderr, "muster: %s\n", error.message.c_str());
    return code;
  };
  const auto bare = ReadBare(options, arguments);
  if (!bare) return fail(bare.error(), 2);
  const auto measured = Measure(options, arguments, *bare);
  if (!measured) return fail(measured.error(), 1);
  const base::Status reported = Report(*measured, arguments);
  return reported ? 0 : fail(reported.error(), 1);
}

}  // namespace muster::app
