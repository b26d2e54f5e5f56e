#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <memory_resource>
#include <utility>
#include <vector>

#include "muster/base/recycled.h"
#include "muster/server/api/internal/picture_predict.h"
#include "muster/server/api/internal/raw_predict.h"
#include "muster/server/api/internal/request.h"
#include "muster/server/api/internal/routes.h"

namespace muster::server::api {
namespace {

using base::InvalidArgument;
using base::Status;

/// One body on its way: as many of its calls as come to `width` runs at a time; the last to come
/// back writes the answer.
struct PredictFlow {
  PredictFlow(const ApiContext& api, http::ExchangePtr of, std::string& answer)
      : context(api), exchange(std::move(of)), out(answer) {}

  const ApiContext& context;
  const http::ExchangePtr exchange;
  std::string& out;
  std::array<std::byte, 3072> room;  // all the lists of a small body and of its answer
  std::pmr::monotonic_buffer_resource memory{room.data(), room.size()};
  codec::DecodedBody body{.calls = std::pmr::vector<codec::PredictCall>(&memory)};
  std::pmr::vector<codec::CallResult> results{&memory};
  std::optional<base::Duration> timeout = {};
  base::TimePoint since = {};  ///< what that is counted from
  base::UniqueFunction<void(Status)> done = {};
  std::optional<int> raw_output = {};  ///< of an answer in kind
  std::int64_t width = 0;
  std::int64_t running = 0;
  std::size_t next = 0;
  std::size_t finished = 0;
  base::TimePoint submitted = {};

  void Finish() {
    if (raw_output) return done(WriteRawAnswer(*exchange, body, results.front(), *raw_output));
    const codec::AnswerContext answer{.request_id = exchange->request_id(),
                                      .framework_version = context.options.version,
                                      .received = exchange->received_at(),
                                      .submitted = submitted,
                                      .clock = &context.clock};
    done(codec::EncodePredict(out, body, results, answer));
  }
};

std::shared_ptr<PredictFlow> NewFlow(const ApiContext& context, const http::ExchangePtr& exchange,
                                     std::string& out) {
  return std::allocate_shared<PredictFlow>(base::Recycled<PredictFlow>(), context, exchange, out);
}

engine::PredictRequest ToRequest(PredictFlow& flow, codec::PredictCall& call) {
  engine::PredictRequest request;
  request.model = call.model;
  request.inputs = std::move(call.inputs);
  request.rows = call.rows;
  request.isolation = engine::Isolation::kRow;
  request.priority = flow.body.priority;
  request.timeout = flow.timeout;
  request.announced = &call == &flow.body.calls.front() && IsAnnounced(*flow.exchange);
  request.since = flow.since;  // calls that wait for others share the body's deadline
  request.cancelled = flow.exchange->cancelled();
  return request;
}

/// The most runs a call may come to at a time: a model never has more of them than instances.
std::int64_t RunsAtATime(const codec::PredictCall& call) {
  return std::min<std::int64_t>(call.rows, call.model->config.instances);
}

/// Calls that could come to more runs at a time than `max_parallelism` are sent as single rows,
/// each of which is one run. Returns how many runs there may be.
std::int64_t KeepParallelism(codec::DecodedBody& body) {
  if (!body.max_parallelism) return std::numeric_limits<std::int64_t>::max();
  const std::int64_t width = *body.max_parallelism;
  std::pmr::memory_resource* const memory = body.calls.get_allocator().resource();
  std::pmr::vector<codec::PredictCall> calls(memory);
  for (codec::PredictCall& call : body.calls) {
    if (RunsAtATime(call) <= width) {
      calls.push_back(std::move(call));
      continue;
    }
    for (std::int64_t row = 0; row < call.rows; ++row) {
      codec::PredictCall single{.model = call.model,
                                .rows = 1,
                                .slots = std::pmr::vector<std::int64_t>(memory),
                                .input_shapes = std::pmr::vector<tensor::Shape>(memory)};
      single.slots.push_back(call.slots[static_cast<std::size_t>(row)]);
      for (const tensor::Tensor& input : call.inputs) {
        single.inputs.push_back(input.Rows(row, 1));
        single.input_shapes.push_back(single.inputs.back().shape());
      }
      calls.push_back(std::move(single));
    }
  }
  body.calls = std::move(calls);
  return width;
}

void LaunchUpToWidth(const std::shared_ptr<PredictFlow>& flow) {
  while (flow->next < flow->body.calls.size()) {
    codec::PredictCall& call = flow->body.calls[flow->next];
    const std::int64_t runs = RunsAtATime(call);
    if (runs > flow->width - flow->running) return;
    flow->running += runs;
    const std::size_t i = flow->next++;
    flow->context.engine.Predict(ToRequest(*flow, call), &flow->exchange->loop(),
                                 [flow, i, runs](base::Result<engine::PredictResponse> result) {
                                   flow->results[i] = std::move(result);
                                   flow->running -= runs;
                                   if (++flow->finished == flow->results.size())
                                     return flow->Finish();
                                   LaunchUpToWidth(flow);
                                 });
  }
}

void Launch(const std::shared_ptr<PredictFlow>& flow) {
  flow->width = KeepParallelism(flow->body);
  flow->results.resize(flow->body.calls.size(), codec::CallResult(base::Internal("no answer")));
  flow->submitted = flow->context.clock.Now();
  if (flow->body.pictures.empty()) flow->since = flow->submitted;
  // Without calls every item was refused by the decoder; their slots say why.
  if (flow->results.empty()) return flow->Finish();
  LaunchUpToWidth(flow);
}

/// First the pictures' rows, then their predictions, with one deadline for both.
void LaunchPictures(const std::shared_ptr<PredictFlow>& flow) {
  flow->since = flow->context.clock.Now();
  engine::ImageRequest request{.model = flow->body.model,
                               .owner = flow,
                               .timeout = flow->timeout,
                               .since = flow->since,
                               .cancelled = flow->exchange->cancelled()};
  for (const codec::BodyPicture& picture : flow->body.pictures) {
    request.pictures.push_back(picture.encoded);
  }
  // All that came was no text.
  if (request.pictures.empty()) return Launch(flow);
  flow->context.engine.PrepareImages(
      std::move(request), &flow->exchange->loop(),
      [flow](base::Result<engine::PreparedImages> prepared) {
        if (!prepared) return flow->done(std::move(prepared).error());
        if (Status taken = codec::TakePictures(flow->body, *std::move(prepared)); !taken) {
          return flow->done(std::move(taken));
        }
        Launch(flow);
      });
}

void Answer(http::Exchange& exchange, const Status& status, std::string_view type) {
  status ? exchange.Send(200, type) : exchange.SendError(status.error());
}

void HandleRaw(const ApiContext& context, const http::ExchangePtr& exchange, bool batch) {
  const auto request = ReadRawRequest(context, *exchange);
  if (!request) return exchange->SendError(request.error());
  auto body = DecodeRawRequest(context, *exchange, *request, batch);
  if (!body) return exchange->SendError(body.error());
  const std::string_view type = request->output ? kRaw : http::kJson;
  const auto flow = NewFlow(context, exchange, exchange->out());
  flow->body = *std::move(body);
  flow->timeout = request->timeout;
  flow->done = [exchange, type](const Status& status) { Answer(*exchange, status, type); };
  flow->raw_output = request->output;
  Launch(flow);
}

void HandlePicture(const ApiContext& context, const http::ExchangePtr& exchange) {
  const auto request = ReadPictureRequest(context, *exchange);
  if (!request) return exchange->SendError(request.error());
  auto body = DecodePictureRequest(*exchange, *request);
  if (!body) return exchange->SendError(body.error());
  const auto flow = NewFlow(context, exchange, exchange->out());
  flow->body = *std::move(body);
  flow->timeout = request->timeout;
  flow->done = [exchange](const Status& status) { Answer(*exchange, status, http::kJson); };
  LaunchPictures(flow);
}

void HandlePredict(const ApiContext& context, const http::ExchangePtr& exchange, bool batch) {
  if (IsRaw(*exchange)) return HandleRaw(context, exchange, batch);
  if (IsPicture(*exchange)) return HandlePicture(context, exchange);
  const codec::DecodeContext decode{.model = exchange->path_parameter("model"),
                                    .version = exchange->path_parameter("version"),
                                    .batch_route = batch};
  PredictJson(context, exchange, exchange->body(), decode, exchange->out(),
              [exchange](const Status& status) { Answer(*exchange, status, http::kJson); });
}

/// Refuses before the body is read: an unknown or unready model, a timeout that is no number, a
/// body that is not JSON alone, a large one that the model has no time for.
Status Admit(const ApiContext& context, const http::Exchange& exchange) {
  MUSTER_ASSIGN_OR_RETURN(const auto timeout,
                          TimeoutHeader(exchange, context.options.limits.max_timeout));
  if (!exchange.header("Inference-Header-Content-Length").empty()) {
    // Says that tensors follow the JSON: whoever reads the body as JSON alone gets it wrong.
    return InvalidArgument(
        "header Inference-Header-Content-Length: this route takes JSON without binary tensors",
        "FIELD");
  }
  if (IsRaw(exchange)) MUSTER_RETURN_IF_ERROR(ReadRawRequest(context, exchange));
  if (IsPicture(exchange)) MUSTER_RETURN_IF_ERROR(ReadPictureRequest(context, exchange));
  return AdmitModel(context, exchange, timeout);
}

http::Route PredictRoute(const ApiContext& context, std::string pattern, bool batch) {
  http::Route route;
  route.method = http::Method::kPost;
  route.pattern = std::move(pattern);
  route.body_types = {std::string(http::kJson)};
  route.handler = [&context, batch](const http::ExchangePtr& exchange) {
    HandlePredict(context, exchange, batch);
  };
  route.admit = [&context](const http::Exchange& exchange) { return Admit(context, exchange); };
  route.doc.summary = batch ? "Predict many rows" : "Predict one row";
  route.doc.tag = "predict";
  route.doc.request_schema = SchemaRef(batch ? "BatchRequest" : "PredictRequest");
  route.doc.response_schema = SchemaRef(batch ? "BatchResponse" : "PredictResponse");
  route.doc.errors = {400, 404, 408, 413, 415, 422, 500, 503, 504};
  return route;
}

/// A route that names a model takes that model's rows raw too.
http::Route ModelRoute(const ApiContext& context, std::string pattern, bool batch) {
  http::Route route = PredictRoute(context, std::move(pattern), batch);
  DescribeRaw(route);
  if (!batch) DescribePictures(route);
  return route;
}

}  // namespace

void PredictJson(const ApiContext& context, const http::ExchangePtr& exchange,
                 std::span<const std::byte> body, codec::DecodeContext decode, std::string& out,
                 base::UniqueFunction<void(Status)> done) {
  auto timeout = TimeoutHeader(*exchange, context.options.limits.max_timeout);
  if (!timeout) return done(timeout.error());
  const codec::ModelResolver resolve = [&](std::string_view model, std::string_view version) {
    return context.engine.Resolve(model, version);
  };
  const auto flow = NewFlow(context, exchange, out);
  decode.memory = &flow->memory;
  auto decoded = codec::DecodePredict(body, decode, context.options.limits, resolve);
  if (!decoded) return done(std::move(decoded).error());
  flow->body = *std::move(decoded);
  flow->timeout = Sooner(*timeout, flow->body.timeout);
  flow->done = std::move(done);
  flow->body.pictures.empty() ? Launch(flow) : LaunchPictures(flow);
}

void AddPredictRoutes(http::RouteTable& table, const ApiContext& context) {
  table.Add(PredictRoute(context, "/predict", false));
  table.Add(PredictRoute(context, "/predict/batch", true));
  table.Add(ModelRoute(context, "/predict/{model}", false));
  table.Add(ModelRoute(context, "/predict/{model}/batch", true));
  table.Add(ModelRoute(context, "/predict/{model}/versions/{version}", false));
  table.Add(ModelRoute(context, "/predict/{model}/versions/{version}/batch", true));
}

}  // namespace muster::server::api
