#include "muster/server/codec/internal/body_decoder.h"

#include <algorithm>
#include <string_view>

#include "muster/base/text.h"

namespace muster::server::codec::internal {
namespace {

using base::InvalidArgument;
using base::Result;
using base::Status;

// Depths of values: 1 is the body itself.
constexpr std::size_t kDataDepth = 2;
constexpr std::size_t kItemDepth = 3;
constexpr std::size_t kFeaturesDepth = 4;

/// Items whose reason is told in full; a million refused items must not cost more than the body.
constexpr std::size_t kDetailedErrors = 1'000;

/// The one of both that is given; both only if they are the same.
Result<std::string> Merge(std::string_view key, std::string_view outer, std::string_view inner) {
  if (outer.empty()) return std::string(inner);
  if (inner.empty() || inner == outer) return std::string(outer);
  return InvalidArgument(std::string(key) + ": expected \"" + base::Printable(outer) +
                             "\" as named around it, got \"" + base::Printable(inner) + '"',
                         "FIELD");
}

}  // namespace

Result<DecodedBody> BodyDecoder::Decode(BodyFields fields) {
  body_.dialect = fields.dialect;
  body_.batch = context_.batch_route || fields.dialect == Dialect::kInstances ||
                fields.dialect == Dialect::kImages;
  body_.priority = fields.priority;
  body_.timeout = fields.timeout;
  body_.id = std::move(fields.id);
  body_.top_k = fields.top_k;
  body_.max_parallelism = fields.max_parallelism;
  MUSTER_ASSIGN_OR_RETURN(names_.first, Merge("model_id", context_.model, fields.model));
  MUSTER_ASSIGN_OR_RETURN(names_.second, Merge("version", context_.version, fields.version));
  if (fields.dialect == Dialect::kFeatures && context_.batch_route) {
    return InvalidArgument(
        "features: is for one prediction; expected \"inputs\" or \"instances\" for a batch",
        "FIELD");
  }
  if (fields.dialect == Dialect::kImage && context_.batch_route) {
    return InvalidArgument("image: is for one prediction; expected \"images\" for a batch",
                           "FIELD");
  }
  MUSTER_ASSIGN_OR_RETURN(const od::value data, DataValue(fields.data_field));
  const Path path(DataKey(fields.dialect));
  if (fields.dialect == Dialect::kImage || fields.dialect == Dialect::kImages) {
    MUSTER_RETURN_IF_ERROR(Pictures(data, path));
  } else if (fields.dialect == Dialect::kInstances) {
    MUSTER_RETURN_IF_ERROR(Instances(data, path));
  } else {
    MUSTER_RETURN_IF_ERROR(context_.batch_route ? Batch(data, path) : Single(data, path));
  }
  for (NamedModel& model : models_) {
    if (model.rows) model.rows->Finish(body_.calls);
  }
  return std::move(body_);
}

Result<od::value> BodyDecoder::DataValue(std::size_t field_index) {
  reader_.Rewind();
  MUSTER_ASSIGN_OR_RETURN(od::object root, reader_.Root());
  for (auto item : root) {
    od::field field;
    if (const auto error = std::move(item).get(field)) return JsonError(error);
    if (field_index-- == 0) return field.value();
  }
  return base::Internal("the data field is gone");
}

Status BodyDecoder::Single(od::value value, const Path& path) {
  body_.slots = 1;
  NamedModel& model = Load(names_);
  if (!model.rows) return model.error;
  body_.model = model.rows->model();
  return model.rows->Add(value, 0, kDataDepth, path);
}

Status BodyDecoder::Batch(od::value value, const Path& path) {
  NamedModel& model = Load(names_);
  if (!model.rows) return model.error;
  body_.model = model.rows->model();
  return ForEachItem(value, path, [&](od::value item, const Path& item_path) {
    return model.rows->Add(item, body_.slots, kItemDepth, item_path);
  });
}

Status BodyDecoder::Pictures(od::value value, const Path& path) {
  MUSTER_ASSIGN_OR_RETURN(body_.model, resolve_(names_.first, names_.second));
  if (!body_.model->config.image) {
    MUSTER_RETURN_IF_ERROR(reader_.WalkRefused(value, kDataDepth, path));
    return InvalidArgument(path.ToString() + ": model `" + body_.model->name +
                               "` takes no pictures: its muster.yaml has no `image`",
                           "FIELD");
  }
  if (!body_.batch) {
    MUSTER_RETURN_IF_ERROR(AddPicture(value, path));
    body_.slots = 1;
    return {};
  }
  return ForEachItem(value, path, [&](od::value item, const Path& item_path) {
    return AddPicture(item, item_path);
  });
}

Status BodyDecoder::AddPicture(od::value value, const Path& path) {
  if (KindOf(value) != Kind::kString) {
    base::Error error = Expected("a picture in base64", value, path, "TYPE");
    MUSTER_RETURN_IF_ERROR(reader_.WalkRefused(value, kItemDepth, path));
    return error;
  }
  std::string scratch;
  MUSTER_ASSIGN_OR_RETURN(std::string_view text, reader_.String(value, path, scratch));
  if (!scratch.empty()) text = body_.texts.emplace_back(std::move(scratch));
  body_.pictures.push_back(
      {body_.slots, {.bytes = std::as_bytes(std::span(text)), .base64 = true}});
  return {};
}

Status BodyDecoder::Instances(od::value value, const Path& path) {
  MUSTER_RETURN_IF_ERROR(ForEachItem(value, path, [&](od::value item, const Path& item_path) {
    return AddInstance(item, item_path);
  }));
  // Where no item found its model there is nothing to go on with, and a server that is still
  // loading must not answer "done, with errors".
  const auto usable = [](const NamedModel& model) { return model.rows.has_value(); };
  if (!models_.empty() && std::none_of(models_.begin(), models_.end(), usable)) {
    return models_.front().error;
  }
  return {};
}

template <class AddItem>
Status BodyDecoder::ForEachItem(od::value value, const Path& path, AddItem add) {
  if (KindOf(value) != Kind::kList) {
    base::Error error = Expected("a list of items", value, path, "TYPE");
    MUSTER_RETURN_IF_ERROR(reader_.WalkRefused(value, kDataDepth, path));
    return error;
  }
  od::array list;
  if (const auto error = value.get_array().get(list)) return JsonError(error);
  for (auto entry : list) {
    od::value item;
    if (const auto error = std::move(entry).get(item)) return JsonError(error);
    if (body_.slots >= reader_.limits().max_rows) {
      return InvalidArgument(
          path.ToString() + ": more than " + std::to_string(reader_.limits().max_rows) + " items",
          "TOO_MANY_VALUES");
    }
    MUSTER_RETURN_IF_ERROR(Note(add(item, Path(path, body_.slots))));
    ++body_.slots;
  }
  if (body_.slots > 0) return {};
  return InvalidArgument(path.ToString() + ": expected at least one item", "EMPTY_BATCH");
}

/// What fails one item leaves the others alone.
Status BodyDecoder::Note(Status status) {
  if (status || IsFatal(status.error())) return status;
  SlotError& slot = body_.errors.emplace_back(body_.slots, std::move(status).error());
  if (body_.errors.size() > kDetailedErrors) slot.error.message = std::string();
  return {};
}

Status BodyDecoder::AddInstance(od::value value, const Path& path) {
  if (KindOf(value) != Kind::kObject) return AddRow(names_, value, kItemDepth, path);
  od::object object;
  if (const auto error = value.get_object().get(object)) return JsonError(error);
  return AddInstanceObject(object, path);
}

Status BodyDecoder::AddInstanceObject(od::object object, const Path& path) {
  Result<Instance> instance = ReadInstance(object, path);
  if (instance) {
    if (const auto error = object.reset().error()) return JsonError(error);
    return AddFeatures(object, *instance, path);
  }
  // Its features have only been skipped so far.
  if (!IsFatal(instance.error())) {
    MUSTER_RETURN_IF_ERROR(reader_.WalkRefused(object, kItemDepth, path));
  }
  return std::move(instance).error();
}

Result<BodyDecoder::Instance> BodyDecoder::ReadInstance(od::object object, const Path& path) {
  Instance instance;
  const KeySet::Object keys = reader_.keys().Begin();
  std::string scratch;
  std::size_t index = 0;
  Status own;
  for (auto item : object) {
    od::field field;
    if (const auto error = std::move(item).get(field)) return JsonError(error);
    MUSTER_ASSIGN_OR_RETURN(std::string_view key, reader_.Key(field, scratch));
    MUSTER_RETURN_IF_ERROR(reader_.keys().Add(key, scratch, keys, reader_.limits().max_keys));
    const Path field_path(path, key);
    Status status;
    if (key == "features") {
      instance.features_field = index;
    } else if (key == "model_id" && KindOf(field.value()) != Kind::kNull) {
      status = ReadName(reader_, field.value(), field_path, instance.names.first);
    } else if (key == "version" && KindOf(field.value()) != Kind::kNull) {
      status = ReadName(reader_, field.value(), field_path, instance.names.second);
    } else {
      status = reader_.Walk(field.value(), kFeaturesDepth, field_path);
    }
    if (!status && IsFatal(status.error())) return std::move(status).error();
    if (!status && own) own = std::move(status);
    ++index;
  }
  MUSTER_RETURN_IF_ERROR(reader_.keys().End(keys, path));
  MUSTER_RETURN_IF_ERROR(std::move(own));
  if (!instance.features_field) {
    return InvalidArgument(path.ToString() + ": missing \"features\"", "MISSING_INPUT");
  }
  MUSTER_ASSIGN_OR_RETURN(instance.names, Merged(instance.names));
  return instance;
}

Status BodyDecoder::AddFeatures(od::object object, const Instance& instance, const Path& path) {
  std::size_t index = 0;
  for (auto item : object) {
    od::field field;
    if (const auto error = std::move(item).get(field)) return JsonError(error);
    if (index++ != *instance.features_field) continue;
    return AddRow(instance.names, field.value(), kFeaturesDepth, Path(path, "features"));
  }
  return base::Internal("the features are gone");
}

Status BodyDecoder::AddRow(const Names& names, od::value value, std::size_t depth,
                           const Path& path) {
  NamedModel& model = Named(names);
  if (model.rows) return model.rows->Add(value, body_.slots, depth, path);
  MUSTER_RETURN_IF_ERROR(reader_.WalkRefused(value, depth, path));
  return model.error;
}

Result<BodyDecoder::Names> BodyDecoder::Merged(const Names& names) const {
  Names merged;
  MUSTER_ASSIGN_OR_RETURN(merged.first, Merge("model_id", names_.first, names.first));
  // A version belongs to the model named with it.
  MUSTER_ASSIGN_OR_RETURN(merged.second, Merge("version", names_.second, names.second));
  return merged;
}

BodyDecoder::NamedModel& BodyDecoder::Named(const Names& names) {
  if (last_names_ != nullptr && *last_names_ == names) return *last_;
  const auto [at, is_new] = by_name_.try_emplace(names, nullptr);
  if (is_new) at->second = &Load(names);
  last_names_ = &at->first;
  last_ = at->second;
  return *last_;
}

BodyDecoder::NamedModel& BodyDecoder::Load(const Names& names) {
  NamedModel& model = models_.emplace_back();
  Result<engine::ModelLease> lease = resolve_(names.first, names.second);
  if (!lease) {
    model.error = std::move(lease).error();
    return model;
  }
  if (Status check = model.rows.emplace(*std::move(lease), reader_, context_.memory).Check();
      !check) {
    model.error = std::move(check).error();
    model.rows.reset();
  }
  return model;
}

}  // namespace muster::server::codec::internal
