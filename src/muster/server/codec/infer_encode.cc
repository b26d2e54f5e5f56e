#include <utility>

#include "muster/server/codec/infer.h"
#include "muster/server/codec/internal/infer_answer.h"
#include "muster/server/codec/internal/infer_names.h"
#include "muster/server/codec/json_writer.h"

namespace muster::server::codec {
namespace {

using base::Result;
using internal::AnsweredOutput;

/// One output, with all that has to be known before anything is written.
struct OutputToWrite {
  const model::TensorSpec* spec = nullptr;
  AnsweredOutput answered;
  bool binary = false;
  std::size_t binary_bytes = 0;
};

base::Error RowFailed(const batching::WorkResult& work, std::int64_t rows) {
  const batching::RowError& first = work.errors.front();
  return rows == 1 ? first.error : first.error.WithContext("row " + std::to_string(first.row));
}

Result<OutputToWrite> Prepare(const registry::ServedVersion& model, const RequestedOutput& asked,
                              const batching::WorkResult& work, std::int64_t rows) {
  const auto index = static_cast<std::size_t>(asked.index);
  OutputToWrite output{.spec = &model.spec.outputs[index], .binary = asked.binary};
  MUSTER_ASSIGN_OR_RETURN(output.answered, internal::GatherOutput(model, work, index, rows));
  if (asked.classification > 0) {
    output.answered = internal::Classify(model, output.answered, index, asked.classification);
  }
  if (output.binary) {
    MUSTER_ASSIGN_OR_RETURN(output.binary_bytes, internal::BinarySize(output.answered));
  }
  return output;
}

void WriteDims(JsonWriter& w, std::span<const std::int64_t> dims) {
  w.BeginArray();
  for (const std::int64_t dim : dims) w.Number(dim);
  w.EndArray();
}

void WriteTensorHead(JsonWriter& w, std::string_view name, tensor::DType dtype,
                     std::span<const std::int64_t> dims) {
  w.Key("name");
  w.String(name);
  w.Key("datatype");
  w.String(tensor::DTypeName(dtype));
  w.Key("shape");
  WriteDims(w, dims);
}

void WriteOutput(JsonWriter& w, const OutputToWrite& output) {
  w.BeginObject();
  WriteTensorHead(w, output.spec->name, output.answered.dtype, output.answered.shape.dims());
  bool nonfinite = false;
  if (!output.binary) {
    w.Key("data");
    nonfinite = internal::WriteFlat(w, output.answered);
  }
  if (output.binary || nonfinite) {
    w.Key("parameters");
    w.BeginObject();
    if (output.binary) {
      w.Key("binary_data_size");
      w.Number(static_cast<std::uint64_t>(output.binary_bytes));
    }
    if (nonfinite) {
      w.Key("nonfinite");
      w.Bool(true);
    }
    w.EndObject();
  }
  w.EndObject();
}

void WriteAnswer(JsonWriter& w, const InferRequest& request, const registry::ServedVersion& model,
                 std::span<const OutputToWrite> outputs) {
  w.BeginObject();
  w.Key("model_name");
  w.String(model.name);
  w.Key("model_version");
  w.String(model.version);
  if (!request.id.empty()) {
    w.Key("id");
    w.String(request.id);
  }
  w.Key("outputs");
  w.BeginArray();
  for (const OutputToWrite& output : outputs) WriteOutput(w, output);
  w.EndArray();
  w.EndObject();
}

void WriteSpecs(JsonWriter& w, const model::ModelSpec& model,
                const std::vector<model::TensorSpec>& specs) {
  w.BeginArray();
  for (const model::TensorSpec& spec : specs) {
    w.BeginObject();
    WriteTensorHead(w, spec.name, spec.dtype, internal::ProtocolDims(model, spec));
    w.EndObject();
  }
  w.EndArray();
}

/// What clients of Triton look for; others are what they are.
std::string_view Platform(std::string_view format) {
  return format == "onnx" ? "onnxruntime_onnx" : format;
}

}  // namespace

Result<std::optional<std::size_t>> EncodeInfer(std::string& out, const InferRequest& request,
                                               const CallResult& result) {
  if (!result) return result.error();
  const batching::WorkResult& work = result->work;
  if (!work.errors.empty()) return RowFailed(work, request.rows);
  std::vector<OutputToWrite> outputs;
  outputs.reserve(request.outputs.size());
  bool binary = false;
  std::size_t binary_bytes = 0;
  for (const RequestedOutput& asked : request.outputs) {
    MUSTER_ASSIGN_OR_RETURN(OutputToWrite output,
                            Prepare(*request.model, asked, work, request.rows));
    binary |= output.binary;
    binary_bytes += output.binary_bytes;
    outputs.push_back(std::move(output));
  }
  const std::size_t before = out.size();
  JsonWriter w(out);
  WriteAnswer(w, request, result->model ? *result->model : *request.model, outputs);
  if (!binary) return std::optional<std::size_t>();
  const std::size_t json_bytes = out.size() - before;
  out.reserve(out.size() + binary_bytes);
  for (const OutputToWrite& output : outputs) {
    if (output.binary) internal::AppendBinary(out, output.answered);
  }
  return std::optional(json_bytes);
}

void WriteModelMetadata(std::string& out, const registry::ServedVersion& model,
                        std::span<const std::string> versions) {
  JsonWriter w(out);
  w.BeginObject();
  w.Key("name");
  w.String(model.name);
  w.Key("versions");
  w.BeginArray();
  for (const std::string& version : versions) w.String(version);
  w.EndArray();
  w.Key("platform");
  w.String(Platform(model.spec.format));
  w.Key("inputs");
  WriteSpecs(w, model.spec, model.spec.inputs);
  w.Key("outputs");
  WriteSpecs(w, model.spec, model.spec.outputs);
  w.EndObject();
}

}  // namespace muster::server::codec
