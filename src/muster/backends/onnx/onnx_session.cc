#include "muster/backends/onnx/internal/onnx_session.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace muster::backends::onnx {
namespace {

using base::Status;
using tensor::DType;
using tensor::Tensor;

/// Extents tried for axes that are open besides the rows': a converter that was not told the number
/// of features leaves theirs open, and only the right one runs.
constexpr std::int64_t kLargestExtent = 256;

template <class T>
void FillAs(const Tensor& tensor, T value) {
  std::ranges::fill(tensor.data<T>(), value);
}

/// Zeros or, for what cannot take them, ones. One byte pattern is either for integers, but no
/// float.
void Fill(const Tensor& tensor, bool ones) {
  if (tensor.dtype() == DType::kBytes) return FillAs<std::string>(tensor, ones ? "1" : "");
  std::memset(tensor.bytes(), 0, tensor.byte_size());
  if (!ones) return;
  if (tensor.dtype() == DType::kFp32) return FillAs(tensor, 1.0f);
  if (tensor.dtype() == DType::kFp64) return FillAs(tensor, 1.0);
  if (tensor.dtype() == DType::kInt64) return FillAs(tensor, std::int64_t{1});
}

base::Result<std::vector<Tensor>> MakeRow(const model::ModelSpec& spec, std::int64_t extent,
                                          bool ones) {
  std::vector<Tensor> row;
  for (const model::TensorSpec& input : spec.inputs) {
    std::vector<std::int64_t> dims;
    for (const model::Dim& dim : input.dims) {
      const bool rows = dims.empty() && spec.batch_axis != model::BatchAxis::kNone;
      dims.push_back(!dim.dynamic() ? dim.size : rows ? 1 : extent);
    }
    MUSTER_ASSIGN_OR_RETURN(const tensor::Shape shape, tensor::Shape::Make(dims));
    row.push_back(Tensor::Allocate(input.dtype, shape));
    Fill(row.back(), ones);
  }
  return row;
}

bool HasOpenAxes(const model::ModelSpec& spec) {
  return std::ranges::any_of(spec.inputs, [&spec](const model::TensorSpec& input) {
    return std::ranges::any_of(model::RowDims(spec, input), &model::Dim::dynamic);
  });
}

Status TakeKeys(OnnxSession& session, std::span<ValueHandle> outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (session.face.kinds[i] == OutputKind::kTensor) continue;
    MUSTER_ASSIGN_OR_RETURN(MapRows rows,
                            FromMaps(*session.runtime, outputs[i].get(), session.face.kinds[i]));
    if (rows.keys.empty()) continue;
    session.face.spec.outputs[i].dims.back().size = static_cast<std::int64_t>(rows.keys.size());
    if (session.face.spec.labels.empty()) session.face.spec.labels = rows.keys;
    session.keys[i] = std::move(rows.keys);
  }
  return {};
}

}  // namespace

base::Result<SessionRun> SessionRun::Make(const OnnxSession& session) {
  OrtRunOptions* raw = nullptr;
  MUSTER_RETURN_IF_ERROR(session.runtime->Check(session.runtime->api->CreateRunOptions(&raw)));
  return SessionRun(session, RunOptionsHandle(raw, {session.runtime->api}));
}

SessionRun::SessionRun(const OnnxSession& session, RunOptionsHandle options)
    : session_(session),
      options_(std::move(options)),
      raw_inputs_(session.input_names.size()),
      raw_outputs_(session.output_names.size()) {
  const OrtApi* api = session.runtime->api;
  for (std::size_t i = 0; i < raw_inputs_.size(); ++i) {
    inputs_.push_back({ValueHandle(nullptr, {api})});
  }
  for (std::size_t i = 0; i < raw_outputs_.size(); ++i)
    outputs_.emplace_back(nullptr, OrtDeleter<OrtValue, &OrtApi::ReleaseValue>{api});
}

Status SessionRun::SetInput(std::size_t i, const Tensor& tensor) {
  Input& input = inputs_[i];
  const bool strings = tensor.dtype() == DType::kBytes;
  if (!input.value || strings || input.data != tensor.bytes() || input.dtype != tensor.dtype() ||
      !(input.shape == tensor.shape())) {
    input.value.reset();
    MUSTER_ASSIGN_OR_RETURN(input.value, ToOrtValue(*session_.runtime, tensor));
    if (!strings) input.data = tensor.bytes();
    input.shape = tensor.shape();
    input.dtype = tensor.dtype();
  }
  raw_inputs_[i] = input.value.get();
  return {};
}

base::Result<std::span<ValueHandle>> SessionRun::Run(std::span<const Tensor> inputs) {
  if (inputs.size() != inputs_.size()) {
    return base::InvalidArgument("expected " + std::to_string(inputs_.size()) + " inputs, got " +
                                 std::to_string(inputs.size()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(SetInput(i, inputs[i]));
  }
  std::ranges::fill(raw_outputs_, nullptr);
  const OrtRuntime& runtime = *session_.runtime;
  const Status status = runtime.Check(runtime.api->Run(
      session_.session.get(), options_.get(), session_.input_names.data(), raw_inputs_.data(),
      raw_inputs_.size(), session_.output_names.data(), raw_outputs_.size(), raw_outputs_.data()));
  for (Input& input : inputs_) {
    if (input.dtype == DType::kBytes) input.value.reset();  // a copy that nobody needs any more
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) outputs_[i].reset(raw_outputs_[i]);
  if (!status) return status.error();
  return std::span(outputs_);
}

Status ProbeMapKeys(OnnxSession& session) {
  session.keys.resize(session.face.kinds.size());
  const auto tensor = [](OutputKind kind) { return kind == OutputKind::kTensor; };
  if (std::ranges::all_of(session.face.kinds, tensor)) return {};
  MUSTER_ASSIGN_OR_RETURN(SessionRun run, SessionRun::Make(session));
  const std::int64_t extents = HasOpenAxes(session.face.spec) ? kLargestExtent : 1;
  for (const bool ones : {false, true}) {
    for (std::int64_t extent = 1; extent <= extents; ++extent) {
      MUSTER_ASSIGN_OR_RETURN(const auto row, MakeRow(session.face.spec, extent, ones));
      if (auto outputs = run.Run(row)) return TakeKeys(session, *outputs);
    }
  }
  return {};
}

}  // namespace muster::backends::onnx
