#pragma once

#include <cstdint>
#include <map>
#include <memory_resource>
#include <optional>
#include <vector>

#include "muster/server/codec/internal/column.h"
#include "muster/server/codec/internal/json_reader.h"
#include "muster/server/codec/internal/name_index.h"
#include "muster/server/codec/internal/row_value.h"
#include "muster/server/codec/predict_json.h"

namespace muster::server::codec::internal {

/// The rows of one body for one model version, decoded straight into what become the tensors of
/// its calls: one call, or one per row shape where the model leaves extents open.
class ModelRows {
 public:
  /// `reader` outlives this, `memory` the calls too.
  ModelRows(engine::ModelLease model, JsonReader& reader, std::pmr::memory_resource* memory);
  /// Whether the model takes JSON at all. Errors: TYPE.
  base::Status Check() const;
  const engine::ModelLease& model() const { return model_; }

  /// Decodes one row in any of its forms (a value, or an object by input or feature names) as item
  /// `slot`; `depth` is that of the value. Errors: fatal ones; else the item's own, with everything
  /// in the value validated and nothing of it kept.
  base::Status Add(od::value value, std::int64_t slot, std::size_t depth, const Path& path);
  /// Adds the calls; nothing is left here.
  void Finish(std::pmr::vector<PredictCall>& calls);

 private:
  /// A call in the making.
  struct Group {
    std::pmr::vector<Column> columns;
    std::pmr::vector<std::int64_t> slots;
  };

  base::Status Decode(od::value value, std::size_t depth, const Path& path);
  base::Status DecodeScalar(od::value value, const Path& path);
  base::Status DecodeList(od::value value, od::array list, const Path& path);
  base::Status DecodeObject(od::object object, const Path& path);
  base::Status DecodeInput(std::string_view name, od::value value, const Path& path);
  base::Status DecodeFeature(std::string_view name, od::value value, const Path& path);
  base::Status FinishFeatures(const Path& path);
  base::Error NotByName(std::string_view got, const Path& path) const;
  base::Error Unknown(std::string_view name, const NameIndex& names, std::string_view what,
                      const Path& path);
  bool ByFeatures(std::string_view first_key);
  bool FitsFeatureNames() const;
  void Commit(std::int64_t slot);
  std::size_t GroupFor();
  Group& current() { return groups_[current_]; }
  std::size_t NewGroup();

  engine::ModelLease model_;
  JsonReader& reader_;
  NameIndex inputs_;
  NameIndex features_;
  bool dynamic_ = false;
  int hints_left_ = 16;  // "did you mean" costs a comparison with every name
  std::pmr::vector<Group> groups_;
  std::size_t current_ = 0;  // where the next row is decoded to, in the hope that it belongs there
  std::map<std::vector<std::int64_t>, std::size_t> by_extents_;
};

}  // namespace muster::server::codec::internal
