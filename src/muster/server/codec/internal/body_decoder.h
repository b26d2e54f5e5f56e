#pragma once

#include <list>
#include <map>
#include <memory_resource>
#include <optional>
#include <string>
#include <utility>

#include "muster/server/codec/internal/body_fields.h"
#include "muster/server/codec/internal/model_rows.h"
#include "muster/server/codec/predict_json.h"

namespace muster::server::codec::internal {

/// The second pass over a body: its data, now that everything else of it is known.
class BodyDecoder {
 public:
  BodyDecoder(JsonReader& reader, const DecodeContext& context, const ModelResolver& resolve)
      : reader_(reader),
        context_(context),
        resolve_(resolve),
        body_{.calls = std::pmr::vector<PredictCall>(context.memory)},
        models_(context.memory) {}

  base::Result<DecodedBody> Decode(BodyFields fields);

 private:
  /// The rows of a named model, or why it cannot be used.
  struct NamedModel {
    std::optional<ModelRows> rows;
    base::Error error;
  };
  using Names = std::pair<std::string, std::string>;  // model, version; empty: not named

  /// What an item of `instances` says beside its features.
  struct Instance {
    Names names;
    std::optional<std::size_t> features_field;
  };

  base::Result<od::value> DataValue(std::size_t field_index);
  base::Status Single(od::value value, const Path& path);
  base::Status Batch(od::value value, const Path& path);
  base::Status Pictures(od::value value, const Path& path);
  base::Status AddPicture(od::value value, const Path& path);
  base::Status Instances(od::value value, const Path& path);
  base::Status AddInstance(od::value value, const Path& path);
  base::Status AddInstanceObject(od::object object, const Path& path);
  base::Result<Instance> ReadInstance(od::object object, const Path& path);
  base::Status AddFeatures(od::object object, const Instance& instance, const Path& path);
  base::Status AddRow(const Names& names, od::value value, std::size_t depth, const Path& path);
  template <class AddItem>
  base::Status ForEachItem(od::value value, const Path& path, AddItem add);
  base::Status Note(base::Status status);
  /// The model of an item, loaded with the first item that names it.
  NamedModel& Named(const Names& names);
  NamedModel& Load(const Names& names);
  base::Result<Names> Merged(const Names& names) const;

  JsonReader& reader_;
  const DecodeContext& context_;
  const ModelResolver& resolve_;
  DecodedBody body_;
  Names names_;  // of the body as a whole
  std::map<Names, NamedModel*> by_name_;
  std::pmr::list<NamedModel> models_;
  const Names* last_names_ = nullptr;  // most items name the model of the item before
  NamedModel* last_ = nullptr;
};

}  // namespace muster::server::codec::internal
