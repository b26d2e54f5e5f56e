#include "muster/server/codec/internal/infer_outputs.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "muster/base/text.h"
#include "muster/server/codec/internal/infer_names.h"
#include "muster/server/codec/internal/json_fields.h"

namespace muster::server::codec::internal {
namespace {

using base::InvalidArgument;
using base::Status;
using tensor::DType;

// Depths of values: 1 is the body itself.
constexpr std::size_t kListDepth = 2;
constexpr std::size_t kItemDepth = 3;
constexpr std::size_t kFieldDepth = 4;
constexpr std::size_t kParameterDepth = 5;

constexpr std::size_t kMostOutputs = 1'000;

std::int64_t ClampToInt64(std::uint64_t value) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(value, kMost));
}

}  // namespace

Status InferOutputs::Read(od::value outputs, const Path& path) {
  MUSTER_ASSIGN_OR_RETURN(od::array list, ReadList(reader_, outputs, kListDepth, path));
  std::size_t count = 0;
  if (const auto error = list.count_elements().get(count)) return JsonError(error);
  if (count > kMostOutputs) {
    return InvalidArgument(path.ToString() + ": expected at most " + std::to_string(kMostOutputs) +
                               " outputs, got " + std::to_string(count),
                           "TOO_MANY_VALUES");
  }
  return ForEachItem(
      list, [&](od::value item, std::int64_t index) { return ReadItem(item, Path(path, index)); });
}

Status InferOutputs::ReadItem(od::value item, const Path& path) {
  MUSTER_ASSIGN_OR_RETURN(od::object object, ReadObject(reader_, item, kItemDepth, path));
  Asked asked;
  const Status status = ReadOpenItem(object, asked, path);
  if (!status && asked.name) {
    return status.error().WithContext("output `" + base::Printable(*asked.name) + "`");
  }
  if (!status) return status;
  asked_.push_back(std::move(asked));
  return {};
}

Status InferOutputs::ReadOpenItem(od::object item, Asked& asked, const Path& path) {
  const auto read_field = [&](std::string_view key, od::value value) -> Status {
    const Path at(path, key);
    const bool given = KindOf(value) != Kind::kNull;
    if (given && key == "name") {
      MUSTER_ASSIGN_OR_RETURN(asked.name, ReadText(reader_, value, kFieldDepth, at));
      return {};
    }
    if (!given || key != "parameters") return reader_.Walk(value, kFieldDepth, at);
    MUSTER_ASSIGN_OR_RETURN(od::object object, ReadObject(reader_, value, kFieldDepth, at));
    return ForEachField(reader_, object, at, [&](std::string_view name, od::value parameter) {
      return ReadParameter(name, parameter, asked, Path(at, name));
    });
  };
  MUSTER_RETURN_IF_ERROR(ForEachField(reader_, item, path, read_field));
  return Place(asked, path);
}

Status InferOutputs::ReadParameter(std::string_view key, od::value value, Asked& asked,
                                   const Path& path) {
  const bool given = KindOf(value) != Kind::kNull;
  if (given && key == "binary_data") {
    MUSTER_ASSIGN_OR_RETURN(asked.binary, ReadBool(reader_, value, kParameterDepth, path));
    return {};
  }
  if (given && key == "classification") {
    MUSTER_ASSIGN_OR_RETURN(asked.classification, ReadCount(reader_, value, kParameterDepth, path));
    return {};
  }
  if (given) MUSTER_RETURN_IF_ERROR(CheckSupported(key, path));
  return reader_.Walk(value, kParameterDepth, path);
}

Status InferOutputs::Place(Asked& asked, const Path& path) {
  const Path name(path, "name");
  if (!asked.name) return InvalidArgument(path.ToString() + ": missing \"name\"", "FIELD");
  const std::vector<model::TensorSpec>& specs = model_.spec.outputs;
  const int index = model_.spec.FindOutput(*asked.name);
  if (index < 0) return UnknownName("output", *asked.name, specs, name, "UNKNOWN_OUTPUT");
  asked.index = static_cast<std::size_t>(index);
  if (seen_[asked.index]) {
    return InvalidArgument(name.ToString() + ": this output comes twice", "DUPLICATE_KEY");
  }
  seen_[asked.index] = true;
  const DType dtype = specs[asked.index].dtype;
  if (asked.classification == 0 || (dtype != DType::kBytes && dtype != DType::kBool)) return {};
  return InvalidArgument(path.ToString() + ".parameters.classification: expected an output of " +
                             "numbers, this is " + specs[asked.index].ToString(),
                         "FIELD");
}

std::vector<RequestedOutput> InferOutputs::Finish(bool binary) const {
  std::vector<RequestedOutput> outputs;
  for (const Asked& asked : asked_) {
    outputs.push_back({.index = static_cast<int>(asked.index),
                       .binary = asked.binary.value_or(binary),
                       .classification = ClampToInt64(asked.classification)});
  }
  if (!outputs.empty()) return outputs;
  for (std::size_t i = 0; i < model_.spec.outputs.size(); ++i) {
    outputs.push_back({.index = static_cast<int>(i), .binary = binary});
  }
  return outputs;
}

}  // namespace muster::server::codec::internal
