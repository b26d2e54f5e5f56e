#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "apps/muster/commands.h"
#include "apps/muster/one_model.h"
#include "apps/muster/runtime.h"

#include "muster/bench/variants.h"
#include "muster/server/codec/json_writer.h"

namespace muster::app {
namespace {

base::Result<std::vector<bench::Variant>> LoadAll(const Options& options) {
  MUSTER_ASSIGN_OR_RETURN(const auto folders, registry::FindModels(options.models));
  if (folders.empty()) return base::InvalidArgument("no models given: expected a PATH argument");
  MUSTER_ASSIGN_OR_RETURN(const auto loader, OpenLoader(options));
  std::vector<bench::Variant> variants;
  for (const registry::ModelFolder& folder : folders) {
    if (!folder.status) return folder.status.error().WithContext("model " + folder.name);
    for (const registry::VersionFile& file : folder.versions) {
      bench::Variant variant{.name = folder.name + " version " + file.version, .model = {}};
      MUSTER_ASSIGN_OR_RETURN(
          variant.model,
          loader->Load({.path = file.path, .bytes = {}}, {.threads = 1}).WithContext(variant.name));
      variants.push_back(std::move(variant));
    }
  }
  return variants;
}

void WriteVariant(server::codec::JsonWriter& w, const bench::VariantTimes& variant) {
  w.BeginObject();
  w.Key("name");
  w.String(variant.name);
  w.Key("median_ms");
  w.Number(base::ToMillis(variant.median));
  w.Key("average_ms");
  w.Number(base::ToMillis(variant.average));
  w.Key("p95_ms");
  w.Number(base::ToMillis(variant.p95));
  w.Key("p99_ms");
  w.Number(base::ToMillis(variant.p99));
  w.Key("rows_per_s");
  w.Number(variant.rows_per_s);
  w.EndObject();
}

void WriteDifference(server::codec::JsonWriter& w, const bench::OutputDifference& difference) {
  w.BeginObject();
  w.Key("output");
  w.String(difference.output);
  w.Key("largest");
  w.Number(difference.largest);
  w.Key("between");
  w.BeginArray();
  w.String(difference.a);
  w.String(difference.b);
  w.EndArray();
  w.Key("differing_elements");
  w.Number(difference.differing);
  w.Key("elements");
  w.Number(difference.elements);
  w.EndObject();
}

std::string ToJson(const bench::VariantsComparison& comparison, std::int64_t iterations) {
  std::string out;
  server::codec::JsonWriter w(out);
  w.BeginObject();
  w.Key("iterations");
  w.Number(iterations);
  w.Key("batch_size");
  w.Number(comparison.batch_size);
  w.Key("distinct_inputs");
  w.Number(comparison.distinct_inputs);
  w.Key("fastest");
  w.String(comparison.variants.at(0).name);
  w.Key("variants");
  w.BeginArray();
  for (const bench::VariantTimes& variant : comparison.variants) WriteVariant(w, variant);
  w.EndArray();
  w.Key("differences");
  w.BeginArray();
  for (const auto& difference : comparison.differences) WriteDifference(w, difference);
  w.EndArray();
  if (!comparison.why_not_compared.empty()) {
    w.Key("not_compared");
    w.String(comparison.why_not_compared);
  }
  w.EndObject();
  return out + "\n";
}

base::Status Compare(const Options& options, const BenchVariantsArguments& arguments,
                     const bench::VariantsOptions& variants_options) {
  MUSTER_ASSIGN_OR_RETURN(auto variants, LoadAll(options));
  MUSTER_ASSIGN_OR_RETURN(const bench::VariantsComparison comparison,
                          bench::CompareVariants(variants, variants_options, base::RealClock()));
  std::printf(
      "%lld runs of %lld rows each, %lld distinct inputs\n%s",
      static_cast<long long>(arguments.iterations), static_cast<long long>(comparison.batch_size),
      static_cast<long long>(comparison.distinct_inputs), bench::Report(comparison).c_str());
  if (arguments.json.empty()) return {};
  return WriteText(arguments.json, ToJson(comparison, arguments.iterations));
}

}  // namespace

int BenchVariants(const Options& options, const BenchVariantsArguments& arguments) {
  const bench::VariantsOptions variants_options{.iterations = arguments.iterations,
                                                .batch_size = arguments.batch_size};
  base::Status status = variants_options.Validate();
  const int code = status ? 1 : 2;
  if (status) status = Compare(options, arguments, variants_options);
  if (status) return 0;
  std::fprintf(stderr, "muster: %s\n", status.error().message.c_str());
  return code;
}

}  // namespace muster::app
