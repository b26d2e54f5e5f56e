#include "muster/server/codec/internal/model_rows.h"

#include <algorithm>
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

ModelRows::ModelRows(engine::ModelLease model, JsonReader& reader,
                     std::pmr::memory_resource* memory)
    : model_(std::move(model)), reader_(reader), groups_(memory) {
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
  if (model_->spec.inputs.size() != 1) return NotByName(Shown(value), path);
  return ReadRowValue(value, current().columns[0], path);
}

Status ModelRows::DecodeList(od::value value, od::array list, const Path& path) {
  if (model_->spec.inputs.size() != 1) return NotByName("a list", path);
  return ReadRowList(list, BeginsWithList(value), current().columns[0], path);
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
  return ReadRowValue(value, current().columns[static_cast<std::size_t>(place)], path);
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
  Column& column = current().columns[0];
  const std::size_t features = features_.names().size();
  RowExtents extents;
  for (const model::Dim& dim : column.dims()) {
    extents.dims[static_cast<std::size_t>(extents.rank++)] =
        dim.dynamic() ? static_cast<std::int64_t>(features) : dim.size;
  }
  column.SetPending(extents, features);
  return {};
}

bool ModelRows::FitsFeatureNames() const {
  const Column& column = groups_[current_].columns[0];
  const auto features = static_cast<std::int64_t>(features_.names().size());
  return column.row_elements() == features ||
         (column.dims().size() == 1 && column.dims()[0].dynamic());
}

Error ModelRows::Unknown(std::string_view name, const NameIndex& names, std::string_view what,
                         const Path& path) {
  std::string text = path.ToString() + ": unknown " + std::string(what);
  std::string_view nearest;
  if (hints_left_ > 0) nearest = base::NearestOf(name, names.names());
  hints_left_ = std::max(0, hints_left_ - 1);
  if (!nearest.empty()) {
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
  for (Column& column : current().columns) column.Commit();
  current().slots.push_back(slot);
}

std::size_t ModelRows::GroupFor() {
  const std::pmr::vector<Column>& here = current().columns;
  const bool first = current().slots.empty();
  const auto fits = [](const Column& column) { return column.PendingFits(); };
  if (!first && std::all_of(here.begin(), here.end(), fits)) return current_;
  std::vector<std::int64_t> extents;
  for (const Column& column : here) {
    const std::span<const std::int64_t> row = column.pending_extents().span();
    extents.insert(extents.end(), row.begin(), row.end());
  }
  const auto [at, is_new] =
      by_extents_.try_emplace(std::move(extents), first ? current_ : groups_.size());
  if (first) return current_;
  const std::size_t from = current_;
  const std::size_t to = is_new ? NewGroup() : at->second;
  for (std::size_t i = 0; i < groups_[to].columns.size(); ++i) {
    groups_[to].columns[i].TakePending(groups_[from].columns[i]);
  }
  return to;
}

std::size_t ModelRows::NewGroup() {
  std::pmr::memory_resource* const memory = groups_.get_allocator().resource();
  groups_.push_back({std::pmr::vector<Column>(memory), std::pmr::vector<std::int64_t>(memory)});
  Group& group = groups_.back();
  group.columns.reserve(model_->spec.inputs.size());
  for (const model::TensorSpec& input : model_->spec.inputs) {
    group.columns.emplace_back(model_->spec, input, reader_.body_bytes());
  }
  return groups_.size() - 1;
}

void ModelRows::Finish(std::pmr::vector<PredictCall>& calls) {
  for (Group& group : groups_) {
    if (group.slots.empty()) continue;
    calls.push_back({.model = model_,
                     .rows = static_cast<std::int64_t>(group.slots.size()),
                     .slots = std::move(group.slots),
                     .input_shapes = std::pmr::vector<tensor::Shape>(calls.get_allocator())});
    PredictCall& call = calls.back();
    call.inputs.reserve(group.columns.size());
    call.input_shapes.reserve(group.columns.size());
    for (Column& column : group.columns) {
      call.inputs.push_back(column.Finish(call.rows));
      call.input_shapes.push_back(call.inputs.back().shape());
    }
  }
  groups_.clear();
}

}  // namespace muster::server::codec::internal
