#pragma once

#include <cstdint>
#include <span>

#include "muster/base/result.h"
#include "muster/server/codec/internal/column.h"
#include "muster/server/codec/internal/json_reader.h"

namespace muster::server::codec::internal {

/// Decodes one row of one input to be pending in `column`: nested lists exactly as the row dims
/// are, a flat list in row-major order where all of them are fixed, or a scalar where the row is []
/// or [1]. `value` must be untouched. Errors: TYPE, OUT_OF_RANGE, SHAPE (the row's own; what is
/// left of its value is not validated yet), JSON.
base::Status ReadRowValue(od::value value, Column& column, const Path& path);
/// The same for a list that has been opened; `of_lists`: its first item is a list.
base::Status ReadRowList(od::array list, bool of_lists, Column& column, const Path& path);
/// Whether the first thing in a list is a list. The list may have been opened.
bool BeginsWithList(od::value list);

/// Decodes a scalar into element `index` of a row of `row_elements` behind the committed ones.
base::Status ReadRowElement(od::value value, Column& column, std::size_t index,
                            std::size_t row_elements, const Path& path);

/// INVALID_ARGUMENT "TYPE" for inputs that JSON cannot carry (16-bit floats).
base::Status CheckJsonType(const model::TensorSpec& input);

}  // namespace muster::server::codec::internal
