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
    control_ = std::make_unique<Load>(server_->port(), 1,
                                      "GET /count-this-thread HTTP/1.1\r\nHost: localhost\r\n\r\n");
    Control();
  }
  ~CountedServer() {
    server_->Drain(milliseconds(5'000));
    engine_->Drain();
  }
  std::uint16_t port() const { return server_->port(); }

  /// Has `requests` in the server at once before it answers them.
  void Fill(std::size_t requests) {
    Load load(port(), requests, kPredict);
    loader_.Hold();
    load.Begin();
    Control();  // what was sent before has been read
    loader_.Release();
    MUSTER_CHECK(load.Run(0, kAnswered) == 0, "a prediction fails");
  }

 private:
  void Control() {
    control_->Begin();
    MUSTER_CHECK(control_->Run(0, "") == 0, "the I/O thread does not answer");
  }

  std::unique_ptr<backends::onnx::OnnxLoader> onnx_;
  CountingLoader loader_;
  std::unique_ptr<engine::LocalEngine> engine_;
  server::api::ApiContext context_;
  std::unique_ptr<server::http::HttpServer> server_;
  std::unique_ptr<Load> control_;
};

class Allocation : public testing::TestWithParam<std::size_t> {};

TEST_P(Allocation, IsNotDoneForAKeepAlivePrediction) {
  CountedServer server;
  const std::size_t requests = CountedRequests();
  // As many as are ever there: an executor that is slow to go on may still hold one batch when its
  // clients have the next on the way.
  server.Fill(2 * GetParam());
  Load load(server.port(), GetParam(), kPredict);
  load.Begin();
  ASSERT_EQ(load.Run(kWarmUp, kAnswered), 0u);

  NoteStacks(std::getenv("MUSTER_ALLOCATION_STACKS") != nullptr);
  const MallocCounts before = CountsSoFar();
  load.Begin();
  EXPECT_EQ(load.Run(requests, kAnswered), 0u);
  const MallocCounts after = CountsSoFar();
  NoteStacks(false);
  PrintStacks(requests);

  const auto per_request = [&](std::uint64_t to, std::uint64_t from) {
    return static_cast<double>(to - from) / static_cast<double>(requests);
  };
  std::printf("%zu connections, per request: %.4f calls, %.4f frees, %.4f calls in the model\n",
              GetParam(), per_request(after.calls, before.calls),
              per_request(after.frees, before.frees),
              per_request(after.calls_in_model, before.calls_in_model));
  EXPECT_EQ(after.calls - before.calls, 0u);
}

INSTANTIATE_TEST_SUITE_P(Connections, Allocation, testing::Values(1, 64, 256));

}  // namespace
}  // namespace muster
