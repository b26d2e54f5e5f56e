#include <benchmark/benchmark.h>
#include <random>
#include <simdjson.h>
#include <string>

#include "muster/server/codec/internal/codec_test_support.h"
#include "muster/server/codec/json_writer.h"

namespace muster::server::codec {
namespace {

using tensor::DType;
using tensor::Tensor;

ModelResolver ResolverOf(const Codec& codec) {
  return [&codec](std::string_view m, std::string_view v) { return codec.Resolve(m, v); };
}

constexpr std::string_view kIrisBody = R"({"inputs":[5.1,3.5,1.4,0.2]})";

/// What an engine answers to one iris row.
std::vector<CallResult> IrisResults(const DecodedBody& body) {
  engine::PredictResponse response;
  response.model = body.calls[0].model;
  response.work.parts.push_back(
      {.first_row = 0,
       .rows = 1,
       .outputs = {Tensor::Of<std::int64_t>({1}, {0}),
                   Tensor::Of<float>({1, 3}, {0.98231f, 0.0171234f, 5.6e-4f})}});
  response.work.row_shares = {base::Duration(12'345)};
  response.work.batch_size = 1;
  response.work.queue = base::Duration(3'210);
  response.work.inference = base::Duration(14'567);
  response.work.finished = base::RealClock().Now();
  return {std::move(response)};
}

void DecodeIris(benchmark::State& state) {
  const Codec codec(Iris());
  const ModelResolver resolve = ResolverOf(codec);
  const PaddedBody body(kIrisBody);
  for (auto _ : state) {
    auto decoded = DecodePredict(body.bytes(), {}, {}, resolve);
    if (!decoded) state.SkipWithError("refused");
    benchmark::DoNotOptimize(decoded);
  }
}
BENCHMARK(DecodeIris);

void EncodeIris(benchmark::State& state) {
  const Codec codec(Iris());
  const auto body = codec.Decode(kIrisBody);
  const std::vector<CallResult> results = IrisResults(*body);
  const base::TimePoint now = base::RealClock().Now();
  const AnswerContext context{.request_id = "req_0123456789abcdef",
                              .framework_version = "0.1.0",
                              .received = now,
                              .submitted = now,
                              .clock = &base::RealClock()};
  std::string out;
  for (auto _ : state) {
    out.clear();
    if (!EncodePredict(out, *body, results, context)) state.SkipWithError("refused");
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["answer_bytes"] = static_cast<double>(out.size());
}
BENCHMARK(EncodeIris);

/// 8 MB of FP32 as NumPy writes them, rows of 1000.
std::string LargeBody() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::string json = "{\"inputs\":[";
  while (json.size() < 8'000'000) {
    json += '[';
    for (int i = 0; i < 1000; ++i) {
      AppendJsonNumber(json, normal(random));
      json += ',';
    }
    json.back() = ']';
    json += ',';
  }
  json.back() = ']';
  return json + "}";
}

void DecodeLarge(benchmark::State& state) {
  const Codec codec(OneInput(DType::kFp32, {1000}));
  const ModelResolver resolve = ResolverOf(codec);
  const std::string json = LargeBody();
  const PaddedBody body(json);
  for (auto _ : state) {
    auto decoded =
        DecodePredict(body.bytes(), {.model = {}, .version = {}, .batch_route = true}, {}, resolve);
    if (!decoded || !decoded->errors.empty()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(decoded);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * json.size()));
}
BENCHMARK(DecodeLarge)->Unit(benchmark::kMillisecond);

/// The peer: simdjson by itself, into a buffer that is there already, parser kept (`kept` != 0) or
/// made anew for each body as DecodePredict does for bodies of this size.
void SimdjsonLarge(benchmark::State& state) {
  const std::string json = LargeBody();
  const simdjson::padded_string padded(json);
  std::vector<float> values(2'000'000);
  simdjson::ondemand::parser kept;
  for (auto _ : state) {
    simdjson::ondemand::parser fresh;
    simdjson::ondemand::parser& parser = state.range(0) != 0 ? kept : fresh;
    simdjson::ondemand::document document;
    if (parser.iterate(padded).get(document)) state.SkipWithError("not JSON");
    std::size_t i = 0;
    for (auto row : document["inputs"].get_array()) {
      for (auto value : row.get_array())
        values[i++] = static_cast<float>(value.get_double().value());
    }
    benchmark::DoNotOptimize(values.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * json.size()));
}
BENCHMARK(SimdjsonLarge)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void WriteTensor(benchmark::State& state) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(1'000'000);
  for (float& v : values) v = normal(random);
  const Tensor t = Tensor::Of<float>({1000, 1000}, values);
  std::string out;
  for (auto _ : state) {
    out.clear();
    AppendJsonTensor(out, t);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * out.size()));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * values.size()));
}
BENCHMARK(WriteTensor)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace muster::server::codec
