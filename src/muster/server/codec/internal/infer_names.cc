#include "muster/server/codec/internal/infer_names.h"

#include <algorithm>
#include <cstdint>

#include "muster/base/text.h"

namespace muster::server::codec::internal {
namespace {

constexpr std::size_t kShownNames = 8;

}  // namespace

base::Error UnknownName(std::string_view what, std::string_view name,
                        const std::vector<model::TensorSpec>& specs, const Path& path,
                        std::string_view reason) {
  std::string text = path.ToString() + ": unknown " + std::string(what);
  std::vector<std::string_view> names;
  for (const model::TensorSpec& spec : specs) names.push_back(spec.name);
  const std::string_view nearest = base::NearestOf(name, names);
  if (!nearest.empty()) {
    text += "; did you mean `" + base::Printable(nearest) + "`?";
  } else if (!names.empty()) {
    text += "; the model's are ";
    for (std::size_t i = 0; i < names.size() && i < kShownNames; ++i) {
      text += (i == 0 ? "`" : ", `") + base::Printable(names[i]) + '`';
    }
    if (names.size() > kShownNames) text += ", …";
  }
  return base::InvalidArgument(std::move(text), reason);
}

std::vector<std::int64_t> ProtocolDims(const model::ModelSpec& model,
                                       const model::TensorSpec& spec) {
  std::vector<std::int64_t> dims;
  for (const model::Dim& dim : spec.dims) dims.push_back(dim.size);
  if (model.batch_axis == model::BatchAxis::kNone) return dims;
  // An output of unknown shape has rows all the same.
  if (dims.empty()) dims.emplace_back();
  dims[0] = model::Dim::kDynamic;
  return dims;
}

std::string DimsText(std::span<const std::int64_t> dims) {
  std::string text = "[";
  for (const std::int64_t dim : dims) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(dim);
  }
  return text + "]";
}

base::Status CheckSupported(std::string_view parameter, const Path& path) {
  if (parameter == "sequence_id" || parameter == "sequence_start" || parameter == "sequence_end") {
    return base::Unimplemented(path.ToString() + ": sequences are not supported",
                               "SEQUENCES_UNSUPPORTED");
  }
  if (parameter.starts_with("shared_memory_")) {
    return base::Unimplemented(path.ToString() + ": shared memory is not supported",
                               "SHARED_MEMORY_UNSUPPORTED");
  }
  return {};
}

}  // namespace muster::server::codec::internal
