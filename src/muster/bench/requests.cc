#include "muster/bench/requests.h"

#include <unordered_set>

#include "muster/base/text.h"
#include "muster/bench/internal/elements.h"
#include "muster/bench/internal/json_text.h"
#include "muster/bench/random.h"

namespace muster::bench {
namespace {

using base::InvalidArgument;
using model::ModelSpec;
using nlohmann::json;
using tensor::Tensor;

/// Of an axis whose size the description leaves open.
constexpr std::int64_t kUnknownExtent = 8;

base::Result<std::string> JsonBody(const ModelSpec& spec, const std::vector<Tensor>& rows) {
  const std::int64_t count = rows.at(0).rows();
  std::string out = count == 1 ? "{\"inputs\":" : "{\"inputs\":[";
  for (std::int64_t row = 0; row < count; ++row) {
    if (row > 0) out += ',';
    if (rows.size() == 1) {
      AppendNested(out, rows[0].Rows(row, 1));
      continue;
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      out += (i == 0 ? "{" : ",") + json(spec.inputs[i].name).dump() + ':';
      AppendNested(out, rows[i].Rows(row, 1));
    }
    out += '}';
  }
  return out + (count == 1 ? "}" : "]}");
}

base::Result<std::string> RawBody(const ModelSpec& spec, const std::vector<Tensor>& rows) {
  if (rows.size() != 1) {
    return InvalidArgument("raw bodies carry one input; the model has " +
                           std::to_string(spec.inputs.size()));
  }
  // Every machine muster runs on is little-endian, and tensors are row-major.
  return std::string(reinterpret_cast<const char*>(rows[0].bytes()), rows[0].byte_size());
}

base::Result<std::string> OipBody(const ModelSpec& spec, const std::vector<Tensor>& rows) {
  if (spec.batch_axis == model::BatchAxis::kNone && rows.at(0).rows() != 1) {
    return InvalidArgument("the model has no batch axis: one row a request, not " +
                           std::to_string(rows[0].rows()));
  }
  std::string out = "{\"inputs\":[";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const tensor::Shape& whole = rows[i].shape();
    const tensor::Shape shape =
        spec.batch_axis == model::BatchAxis::kNone ? whole.RowShape() : whole;
    out += (i == 0 ? "" : ",") + std::string("{\"name\":") + json(spec.inputs[i].name).dump() +
           ",\"datatype\":\"" + std::string(tensor::DTypeName(rows[i].dtype())) +
           "\",\"shape\":" + json(std::vector(shape.dims().begin(), shape.dims().end())).dump() +
           ",\"data\":";
    AppendFlat(out, rows[i]);
    out += '}';
  }
  return out + "]}";
}

base::Result<std::string> GivenBody(const ModelSpec&, const std::vector<Tensor>&) {
  return InvalidArgument("such bodies are given, not made up");
}

struct Dialect {
  RequestKind kind;
  std::string_view name;
  std::string_view content_type;
  std::string_view before, behind, behind_many;  // of the model's name in the path
  base::Result<std::string> (*body)(const ModelSpec&, const std::vector<Tensor>&);
};

constexpr Dialect kDialects[] = {
    {RequestKind::kJson, "json", "application/json", "/predict/", "", "/batch", JsonBody},
    {RequestKind::kRaw, "raw", "application/octet-stream", "/predict/", "", "/batch", RawBody},
    {RequestKind::kOip, "oip", "application/json", "/v2/models/", "/infer", "/infer", OipBody},
    {RequestKind::kBody, "body", "application/octet-stream", "/predict/", "", "/batch", GivenBody},
};

const Dialect& DialectOf(RequestKind kind) { return kDialects[static_cast<std::size_t>(kind)]; }

base::Result<model::TensorSpec> ReadTensor(const json& entry) {
  model::TensorSpec spec;
  spec.name = TextOf(entry, "name");
  const std::string type = TextOf(entry, "datatype");
  const auto dtype = tensor::ParseDType(type);
  if (!dtype || !entry.contains("shape") || !entry["shape"].is_array()) {
    return InvalidArgument(
        "input `" + base::Printable(spec.name) + "`: expected datatype and shape, got " +
        base::Printable(entry.dump(-1, ' ', true, json::error_handler_t::ignore)));
  }
  spec.dtype = *dtype;
  for (const json& size : entry["shape"]) {
    if (!size.is_number_integer()) return InvalidArgument("expected whole numbers as shape");
    spec.dims.push_back({.size = std::max<std::int64_t>(size.get<std::int64_t>(), -1)});
  }
  return spec;
}

}  // namespace

std::string_view RequestKindName(RequestKind kind) { return DialectOf(kind).name; }

base::Result<ModelSpec> ReadModel(std::string_view description) {
  const json document = json::parse(description, nullptr, false);
  if (!document.is_object() || !document.contains("inputs") || !document["inputs"].is_array() ||
      document["inputs"].empty()) {
    return InvalidArgument("expected a model's description with its inputs, got `" +
                           base::Printable(description) + "`");
  }
  ModelSpec spec;
  for (const json& entry : document["inputs"]) {
    if (!entry.is_object()) return InvalidArgument("expected an object for each input");
    MUSTER_ASSIGN_OR_RETURN(auto input, ReadTensor(entry));
    spec.inputs.push_back(std::move(input));
  }
  model::DeriveBatchAxis(spec);
  return spec;
}

std::string PathOf(const RequestOptions& options) {
  if (!options.path.empty()) return options.path;
  const Dialect& dialect = DialectOf(options.kind);
  const std::string_view behind = options.rows == 1 ? dialect.behind : dialect.behind_many;
  return std::string(dialect.before) + options.model + std::string(behind);
}

std::string RequestBytes(const RequestOptions& options, std::string_view body) {
  const std::string_view content_type = options.content_type.empty()
                                            ? DialectOf(options.kind).content_type
                                            : std::string_view(options.content_type);
  std::string out = "POST " + PathOf(options) + " HTTP/1.1\r\nHost: " + options.authority +
                    "\r\nContent-Type: " + std::string(content_type) +
                    "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  if (options.timeout_ms > 0) {
    out += "X-Request-Timeout-Ms: " + std::to_string(options.timeout_ms) + "\r\n";
  }
  return out.append("\r\n").append(body);
}

base::Result<std::vector<Tensor>> DrawRows(const ModelSpec& spec, std::int64_t rows,
                                           std::uint64_t seed) {
  Random random(seed);
  std::vector<Tensor> drawn;
  for (const model::TensorSpec& input : spec.inputs) {
    if (input.dtype == tensor::DType::kBytes) {
      return InvalidArgument("input `" + input.name + "` is " + input.ToString() +
                             ": text is not made up, give bodies with --data FILE");
    }
    std::vector<std::int64_t> dims = {rows};
    for (const model::Dim& dim : model::RowDims(spec, input)) {
      dims.push_back(dim.dynamic() ? kUnknownExtent : dim.size);
    }
    MUSTER_ASSIGN_OR_RETURN(const auto shape, tensor::Shape::Make(dims));
    drawn.push_back(Tensor::Allocate(input.dtype, shape));
    FillRandomly(drawn.back(), random);
  }
  return drawn;
}

base::Result<std::string> BodyOf(RequestKind kind, const ModelSpec& spec,
                                 const std::vector<Tensor>& rows) {
  return DialectOf(kind).body(spec, rows);
}

base::Result<std::vector<std::string>> DrawBodies(const RequestOptions& options,
                                                  const ModelSpec& spec) {
  std::vector<std::string> bodies;
  std::unordered_set<std::string> known;
  // A few tries for each: a model of one BOOL has two inputs however long one looks.
  const std::uint64_t tries = 8 * options.inputs;
  for (std::uint64_t i = 0; i < tries && bodies.size() < options.inputs; ++i) {
    MUSTER_ASSIGN_OR_RETURN(const auto rows,
                            DrawRows(spec, options.rows, options.seed * 1'000'003 + i));
    MUSTER_ASSIGN_OR_RETURN(std::string body, BodyOf(options.kind, spec, rows));
    if (known.insert(body).second) bodies.push_back(std::move(body));
  }
  return bodies;
}

base::Result<std::vector<std::string>> ReadJsonLines(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    if (!json::accept(line)) {
      return InvalidArgument("line " + std::to_string(number) + ": expected one JSON value, got `" +
                             base::Printable(line) + "`");
    }
    lines.emplace_back(line);
  }
  if (lines.empty()) return InvalidArgument("expected a JSON value on each line, got nothing");
  return lines;
}

}  // namespace muster::bench
