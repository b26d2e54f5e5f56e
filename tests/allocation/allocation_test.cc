// How often a request makes the I/O thread call malloc, on the whole way from the socket to the
// model and back: never, once the server is warm. MUSTER_ALLOCATION_REQUESTS sets the number of
// requests that are counted; MUSTER_ALLOCATION_STACKS=1 prints where the calls come from (addresses
// for addr2line -Cfie).

#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "tests/allocation/counted_malloc.h"
#include "tests/allocation/counting_loader.h"
#include "tests/allocation/load.h"

#include "muster/backends/onnx/onnx_loader.h"
#include "muster/engine/local_engine.h"
#include "muster/server/api/api.h"
#include "muster/server/http/server.h"

namespace muster {
namespace {

using std::chrono::milliseconds;

const std::string kRoot = MUSTER_SOURCE_DIR;
const std::string kPredict = PostJson("/predict/iris", R"({"inputs": [5.1, 3.5, 1.4, 0.2]})");
const std::string kAnswered = R"("success":true)";
constexpr std::size_t kWarmUp = 1'000;
constexpr int kMostRounds = 30;

std::size_t CountedRequests() {
  const char* text = std::getenv("MUSTER_ALLOCATION_REQUESTS");
  return text == nullptr ? 10'000 : std::strtoull(text, nullptr, 10);
}

/// The server as `muster serve` puts it together, with one I/O thread that is counted.
class CountedServer {
 public:
  CountedServer()
      : onnx_(*backends::onnx::OnnxLoader::Open(
            {kRoot + "/.deps/onnxruntime/lib/libonnxruntime.so"})),
        loader_(*onnx_),
        engine_(*engine::LocalEngine::Create({.cores = 1, .default_model = ""}, loader_,
                                             base::RealClock())),
        context_{.engine = *engine_,
                 .clock = base::RealClock(),
                 .options = {.version = "test"},
                 .started = base::RealClock().Now(),
                 .http_stats = {}} {
    const std::string file = kRoot + "/examples/models/iris/1/model.onnx";
    MUSTER_CHECK(engine_->Load({"iris", {{"1", file}}, {}, {}}).has_value(), "iris is not served");
    engine_->SetReady();
    server::http::RouteTable routes = server::api::ApiRoutes(context_);
    routes.Add({.pattern = "/count-this-thread", .handler = [](const auto& exchange) {
                  CountThisThread();
                  exchange->Send(200, "text/plain");
                }});
    server::http::HttpOptions options;
    options.port = 0;
    server_ = *server::http::HttpServer::Listen(options, std::move(routes), base::RealClock());
    const std::string get = "GET /count-this-thread HTTP/1.1\r\nHost: localhost\r\n\r\n";
    MUSTER_CHECK(Load(server_->port(), 1, get).Run(1, "") == 0, "the I/O thread does not answer");
  }
  ~CountedServer() {
    server_->Drain(milliseconds(5'000));
    engine_->Drain();
  }
  std::uint16_t port() const { return server_->port(); }

 private:
  std::unique_ptr<backends::onnx::OnnxLoader> onnx_;
  CountingLoader loader_;
  std::unique_ptr<engine::LocalEngine> engine_;
  server::api::ApiContext context_;
  std::unique_ptr<server::http::HttpServer> server_;
};

class Allocation : public testing::TestWithParam<std::size_t> {};

TEST_P(Allocation, IsOverOnceTheServerIsWarm) {
  const CountedServer server;
  const std::size_t requests = CountedRequests();
  Load load(server.port(), GetParam(), kPredict);
  ASSERT_EQ(load.Run(kWarmUp, kAnswered), 0u);
  NoteStacks(std::getenv("MUSTER_ALLOCATION_STACKS") != nullptr);
  // What is recycled grows where more requests meet than ever before, and never shrinks again:
  // some rounds may still see that, but whatever comes with a request, or with a batch, comes in
  // every round.
  std::uint64_t calls = 1;
  for (int round = 0; round < kMostRounds && calls > 0; ++round) {
    const MallocCounts before = CountsSoFar();
    ASSERT_EQ(load.Run(requests, kAnswered), 0u);
    const MallocCounts after = CountsSoFar();
    calls = after.calls - before.calls;
    const auto per_request = [&](std::uint64_t from, std::uint64_t to) {
      return static_cast<double>(to - from) / static_cast<double>(requests);
    };
    std::printf(
        "%zu connections, round %d: %llu calls; per request %.3f frees, in the model %.3f\n",
        GetParam(), round, static_cast<unsigned long long>(calls),
        per_request(before.frees, after.frees),
        per_request(before.calls_in_model, after.calls_in_model));
  }
  NoteStacks(false);
  PrintStacks(requests);
  EXPECT_EQ(calls, 0u);
}

INSTANTIATE_TEST_SUITE_P(Connections, Allocation, testing::Values(1, 64, 256));

}  // namespace
}  // namespace muster
