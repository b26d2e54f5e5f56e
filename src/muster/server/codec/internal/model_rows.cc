#include "muster/server/codec/internal/model_rows.h"

#include <utility>

#include "muster/base/text.h"

namespace muster::server::codec::internal {
namespace {

using base::Error;
using base::InvalidArgument;
using base::Status;

std::string InputNames(const model::ModelSpec& spec) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < spec.inputs.size() && i < kShown; ++i) {
    text += (i == 0 ? "\"" : ", \"") + base::Printable(spec.inputs[i].name) + '"';
  }
  return spec.inputs.size() > kShown ? text + ", …" : text;
}

}  // namespace

ModelRows::ModelRows(engine::ModelLease model, JsonReader& reader)
    : model_(std::move(model)), reader_(reader) {
  row_.resize(model_->spec.inputs.size());
  for (const model::TensorSpec& input : model_->spec.inputs) {
    for (const model::Dim& dim : model::RowDims(model_->spec, input)) dynamic_ |= dim.dynamic();
  }
}

Status ModelRows::Check() const {
  for (const model::TensorSpec& input : model_->spec.inputs) {
    MUSTER_RETURN_IF_ERROR(CheckJsonType(input));
  }
  return {};
}

Status ModelRows::Add(od::value value, std::int64_t slot, std::size_t depth, const Path& path) {
  if (groups_.empty()) current_ = NewGroup();
  MUSTER_RETURN_IF_ERROR(Decode(value, depth, path));
  Commit(slot);
  return {};
}

Status ModelRows::Decode(od::value value, std::size_t depth, const Path& path) {
  // A container is opened once: what has been opened can be gone back to, its value cannot.
  Status status;
  if (const Kind kind = KindOf(value); kind == Kind::kList) {
    od::array list;
    if (const auto error = value.get_array().get(list)) return JsonError(error);
    status = DecodeList(value, list, path);
    if (!status && !IsFatal(status.error())) {
      MUSTER_RETURN_IF_ERROR(reader_.WalkRefused(list, depth, path));
    }
  } else if (kind == Kind::kObject) {
    od::object object;
    if (const auto error = value.get_object().get(object)) return JsonError(error);
    status = DecodeObject(object, path);
    if (!status && !IsFatal(status.error())) {
      MUSTER_RETURN_IF_ERROR(reader_.WalkRefused(object, depth, path));
    }
  } else {
    status = DecodeScalar(value, path);
    if (!status && !IsFatal(status.error())) {
      MUSTER_RETURN_IF_ERROR(reader_.WalkRefused(value, depth, path));
    }
  }
  return status;
}

Error ModelRows::NotByName(std::string_view got, const Path& path) const {
  return Expected("an object with the inputs " + InputNames(model_->spec), got, path, "TYPE");
}

Status ModelRows::DecodeScalar(od::value value, const Path& path) {
  if (row_.size() != 1) return NotByName(Shown(value), path);
  MUSTER_ASSIGN_OR_RETURN(row_[0], ReadRowValue(value, current().columns[0], path));
  return {};
}

Status ModelRows::DecodeList(od::value value, od::array list, const Path& path) {
  if (row_.size() != 1) return NotByName("a list", path);
  MUSTER_ASSIGN_OR_RETURN(row_[0],
                          ReadRowList(list, BeginsWithList(value), current().columns[0], path));
  return {};
}

Status ModelRows::DecodeObject(od::object object, const Path& path) {
  std::optional<bool> by_features;
  std::string scratch;
  NameIndex* names = nullptr;
  for (auto item : object) {
    od::field field;
    if (const auto error = std::move(item).get(field)) return JsonError(error);
    MUSTER_ASSIGN_OR_RETURN(const std::string_view key, reader_.Key(field, scratch));
    if (!by_features) {
      by_features = ByFeatures(key);
      names = *by_features ? &features_ : &inputs_;
      names->BeginRow();
    }
    const Path field_path(path, key);
    MUSTER_RETURN_IF_ERROR(*by_features ? DecodeFeature(key, field.value(), field_path)
                                        : DecodeInput(key, field.value(), field_path));
  }
  if (!by_features) {
    return Expected("the inputs " + InputNames(model_->spec), "an empty object", path,
                    "MISSING_INPUT");
  }
  if (!names->complete()) {
    return InvalidArgument(path.ToString() + ": missing " + (*by_features ? "feature" : "input") +
                               " \"" + base::Printable(names->FirstMissing()) + '"',
                           "MISSING_INPUT");
  }
  return *by_features ? FinishFeatures(path) : Status();
}

Status ModelRows::DecodeInput(std::string_view name, od::value value, const Path& path) {
  const std::ptrdiff_t place = inputs_.Find(name);
  if (place < 0) return Unknown(name, inputs_, "input", path);
  if (!inputs_.See(static_cast<std::size_t>(place))) {
    return InvalidArgument(path.ToString() + ": this key comes twice", "DUPLICATE_KEY");
  }
  const auto input = static_cast<std::size_t>(place);
  MUSTER_ASSIGN_OR_RETURN(row_[input], ReadRowValue(value, current().columns[input], path));
  return {};
}

Status ModelRows::DecodeFeature(std::string_view name, od::value value, const Path& path) {
  const std::ptrdiff_t place = features_.Find(name);
  if (place < 0) return Unknown(name, features_, "feature", path);
  if (!features_.See(static_cast<std::size_t>(place))) {
    return InvalidArgument(path.ToString() + ": this key comes twice", "DUPLICATE_KEY");
  }
  return ReadRowElement(value, current().columns[0], static_cast<std::size_t>(place),
                        features_.names().size(), path);
}

Status ModelRows::FinishFeatures(const Path& path) {
  if (!FitsFeatureNames()) {
    return InvalidArgument(path.ToString() + ": model \"" + model_->name + "\" names " +
                               std::to_string(features_.names().size()) +
                               " features, which is not the size of its rows",
                           "SHAPE");
  }
  RowRead& row = row_[0];
  row.elements = features_.names().size();
  const std::span<const model::Dim> dims = current().columns[0].dims();
  row.extents.rank = static_cast<int>(dims.size());
  for (std::size_t i = 0; i < dims.size(); ++i) {
    row.extents.dims[i] =
        dims[i].dynamic() ? static_cast<std::int64_t>(row.elements) : dims[i].size;
  }
  return {};
}

bool ModelRows::FitsFeatureNames() const {
  const Column& column = groups_[current_].columns[0];
  const auto features = static_cast<std::int64_t>(features_.names().size());
  return column.row_elements() == features ||
         (column.dims().size() == 1 && column.dims()[0].dynamic());
}

Error ModelRows::Unknown(std::string_view name, const NameIndex& names, std::string_view what,
                         const Path& path) const {
  std::string text = path.ToString() + ": unknown " + std::string(what);
  if (const std::string_view nearest = base::NearestOf(name, names.names()); !nearest.empty()) {
    text += "; did you mean \"" + base::Printable(nearest) + "\"?";
  } else if (what == "input") {
    text += "; the model's are " + InputNames(model_->spec);
  }
  return InvalidArgument(std::move(text), "UNKNOWN_INPUT");
}

bool ModelRows::ByFeatures(std::string_view first_key) {
  const std::vector<std::string>& configured = model_->config.feature_names;
  if (inputs_.names().empty()) {
    for (const model::TensorSpec& input : model_->spec.inputs) inputs_.Add(input.name);
    inputs_.Seal();
    for (const std::string& name : configured) features_.Add(name);
    features_.Seal();
  }
  if (model_->spec.inputs.size() != 1 || configured.empty()) return false;
  // {"x": [...]} with the name of the only input, unless a feature is called so.
  return features_.Find(first_key) >= 0 || first_key != model_->spec.inputs[0].name;
}

void ModelRows::Commit(std::int64_t slot) {
  if (dynamic_) current_ = GroupFor();
  Group& group = current();
  for (std::size_t i = 0; i < row_.size(); ++i) {
    group.columns[i].Commit(row_[i].elements);
    if (group.slots.empty()) group.extents[i] = row_[i].extents;
  }
  group.slots.push_back(slot);
}

bool ModelRows::AsInCurrent() {
  for (std::size_t i = 0; i < row_.size(); ++i) {
    if (!(current().extents[i] == row_[i].extents)) return false;
  }
  return true;
}

std::size_t ModelRows::GroupFor() {
  const bool first = current().slots.empty();
  if (!first && AsInCurrent()) return current_;
  std::vector<std::int64_t> extents;
  for (const RowRead& row : row_) {
    extents.insert(extents.end(), row.extents.span().begin(), row.extents.span().end());
  }
  const auto [at, is_new] =
      by_extents_.try_emplace(std::move(extents), first ? current_ : groups_.size());
  if (first) return current_;
  const std::size_t here = current_;
  const std::size_t there = is_new ? NewGroup() : at->second;
  for (std::size_t i = 0; i < row_.size(); ++i) {
    groups_[there].columns[i].TakePending(groups_[here].columns[i], row_[i].elements);
  }
  return there;
}

std::size_t ModelRows::NewGroup() {
  Group& group = groups_.emplace_back();
  group.columns.reserve(row_.size());
  for (const model::TensorSpec& input : model_->spec.inputs) {
    group.columns.emplace_back(model_->spec, input, reader_.body_bytes());
  }
  group.extents.resize(row_.size());
  return groups_.size() - 1;
}

void ModelRows::Finish(std::vector<PredictCall>& calls) {
  for (Group& group : groups_) {
    if (group.slots.empty()) continue;
    PredictCall& call = calls.emplace_back();
    call.model = model_;
    call.rows = static_cast<std::int64_t>(group.slots.size());
    call.inputs.reserve(row_.size());
    call.input_shapes.reserve(row_.size());
    for (std::size_t i = 0; i < row_.size(); ++i) {
      call.inputs.push_back(group.columns[i].Finish(call.rows, group.extents[i]));
      call.input_shapes.push_back(call.inputs[i].shape());
    }
    call.slots = std::move(group.slots);
  }
  groups_.clear();
}

}  // namespace muster::server::codec::internal
