#include "muster/server/codec/internal/row_value.h"

#include <utility>

#include "muster/server/codec/internal/element.h"
#include "muster/server/codec/internal/element_type.h"

namespace muster::server::codec::internal {
namespace {

using base::Error;
using base::InvalidArgument;
using base::Result;
using base::Status;
using tensor::DType;

constexpr std::int64_t kAnyCount = -1;

/// "[4]", "[?, 3]".
std::string DimsText(std::span<const model::Dim> dims) {
  std::string text = "[";
  for (const model::Dim& dim : dims) {
    if (text.size() > 1) text += ", ";
    text += dim.dynamic() ? "?" : std::to_string(dim.size);
  }
  return text + "]";
}

std::string RowText(const Column& column) {
  return std::string(tensor::DTypeName(column.input().dtype)) + ' ' + DimsText(column.dims());
}

template <class T>
class RowReader {
 public:
  RowReader(Column& column, const Path& path) : column_(column), path_(path) {
    extents_.rank = static_cast<int>(column.dims().size());
  }

  Status ReadScalar(od::value value) {
    MUSTER_RETURN_IF_ERROR(Scalar(value));
    column_.SetPending(extents_, elements_);
    return {};
  }

  Status ReadList(od::array list, bool of_lists) {
    if (column_.dims().size() <= 1 || (column_.row_elements() >= 0 && !of_lists)) {
      MUSTER_RETURN_IF_ERROR(Flat(list));
    } else {
      MUSTER_RETURN_IF_ERROR(Nested(list, 0, path_));
    }
    column_.SetPending(extents_, elements_);
    return {};
  }

 private:
  Error ShapeError(const std::string& got, const Path& path) const {
    return Expected("a row of " + RowText(column_), got, path, "SHAPE");
  }

  Status Scalar(od::value value) {
    const std::span<const model::Dim> dims = column_.dims();
    const bool fits =
        dims.empty() || (dims.size() == 1 && (dims[0].dynamic() || dims[0].size == 1));
    T element{};
    if (ReadElement(value, element)) {
      const Error error = ElementError(value, column_.input().dtype, path_);
      // "expected a list" helps more than "expected a number" where a number would not do either.
      if (fits || IsFatal(error)) return error;
      return Expected("a row of " + RowText(column_), value, path_, error.reason);
    }
    if (!fits) return ShapeError("a single value", path_);
    *column_.Room<T>(1) = std::move(element);
    elements_ = 1;
    if (!dims.empty()) extents_.dims[0] = 1;
    return {};
  }

  /// A list of elements: the whole row.
  Status Flat(od::array list) {
    const std::int64_t expected = column_.row_elements();
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t count, Elements(list, expected, path_));
    const std::span<const model::Dim> dims = column_.dims();
    if (dims.size() == 1) {
      extents_.dims[0] = count;
      if (count == 0) return ShapeError("an empty list", path_);
    }
    for (std::size_t i = 0; dims.size() > 1 && i < dims.size(); ++i) {
      extents_.dims[i] = dims[i].size;
    }
    return {};
  }

  Status Nested(od::array list, std::size_t level, const Path& path) {
    const model::Dim& dim = column_.dims()[level];
    std::int64_t& extent = extents_.dims[level];
    // A dynamic axis has the extent of its first list, and all others must be like it.
    const std::int64_t expected = !dim.dynamic() ? dim.size : extent > 0 ? extent : kAnyCount;
    std::int64_t count = 0;
    if (level + 1 == column_.dims().size()) {
      MUSTER_ASSIGN_OR_RETURN(count, Elements(list, expected, path));
    } else {
      for (auto item : list) {
        od::value child;
        if (const auto error = std::move(item).get(child)) return JsonError(error);
        const Path child_path(path, count);
        if (count == expected) return CountError(list, expected, path);
        od::array children;
        if (child.get_array().get(children)) return NoList(child, child_path);
        MUSTER_RETURN_IF_ERROR(Nested(children, level + 1, child_path));
        ++count;
      }
      if (expected != kAnyCount && count != expected) return CountError(list, expected, path);
    }
    if (count == 0) return ShapeError("an empty list", path);
    extent = count;
    return {};
  }

  Error NoList(od::value child, const Path& path) const {
    return Expected("a list, for the row is " + RowText(column_), child, path, "SHAPE");
  }

  /// The hot loop: all of `list` behind what the row has, exactly `expected` of them if that is
  /// known.
  Result<std::int64_t> Elements(od::array list, std::int64_t expected, const Path& path) {
    std::size_t at = elements_;
    const std::size_t begin = at;
    std::size_t end = at;
    T* out = nullptr;
    if (expected != kAnyCount) {
      end = at + static_cast<std::size_t>(expected);
      if (column_.Exceeds(end)) return CountError(list, expected, path);
      out = column_.Room<T>(end, at);
    }
    for (auto item : list) {
      od::value element;
      if (const auto error = std::move(item).get(element)) return JsonError(error);
      if (at == end) {
        if (expected != kAnyCount) return CountError(list, expected, path);
        if (column_.Exceeds(at + 1)) {
          return InvalidArgument(path.ToString() + ": too many strings", "TOO_MANY_VALUES");
        }
        out = column_.Room<T>(at + 1, at);
        end = column_.Left();
      }
      if (ReadElement(element, out[at])) {
        const Path where(path, static_cast<std::int64_t>(at - begin));
        return ElementError(element, column_.input().dtype, where);
      }
      ++at;
    }
    const auto count = static_cast<std::int64_t>(at - begin);
    if (expected != kAnyCount && count != expected) return CountError(list, expected, path);
    elements_ = at;
    return count;
  }

  Error CountError(od::array list, std::int64_t expected, const Path& path) const {
    std::size_t count = 0;
    if (const auto error = list.reset().error()) return JsonError(error);
    if (const auto error = list.count_elements().get(count)) return JsonError(error);
    std::string text = std::to_string(expected) + (expected == 1 ? " element" : " elements");
    if (column_.dims().size() > 1) text += " for the row is " + RowText(column_);
    return Expected(text, std::to_string(count), path, "SHAPE");
  }

  Column& column_;
  const Path& path_;
  RowExtents extents_;
  std::size_t elements_ = 0;
};

}  // namespace

bool BeginsWithList(od::value list) {
  // An opening bracket's token reaches to where the next token begins.
  const std::string_view bracket = list.raw_json_token();
  return *(bracket.data() + bracket.size()) == '[';
}

Status ReadRowValue(od::value value, Column& column, const Path& path) {
  if (KindOf(value) != Kind::kList) {
    return WithElementType(column.input().dtype, [&](auto tag) {
      return RowReader<typename decltype(tag)::type>(column, path).ReadScalar(value);
    });
  }
  od::array list;
  if (const auto error = value.get_array().get(list)) return JsonError(error);
  return ReadRowList(list, BeginsWithList(value), column, path);
}

Status ReadRowList(od::array list, bool of_lists, Column& column, const Path& path) {
  return WithElementType(column.input().dtype, [&](auto tag) {
    return RowReader<typename decltype(tag)::type>(column, path).ReadList(list, of_lists);
  });
}

Status ReadRowElement(od::value value, Column& column, std::size_t index, std::size_t row_elements,
                      const Path& path) {
  return WithElementType(column.input().dtype, [&](auto tag) -> Status {
    using T = typename decltype(tag)::type;
    T* row = column.Room<T>(row_elements);
    if (ReadElement(value, row[index])) return ElementError(value, column.input().dtype, path);
    return {};
  });
}

Status CheckJsonType(const model::TensorSpec& input) {
  if (input.dims.size() >= tensor::Shape::kMaxRank) {
    return InvalidArgument("input \"" + input.name + "\" has too many axes for JSON", "SHAPE");
  }
  if (input.dtype != DType::kFp16 && input.dtype != DType::kBf16) return {};
  return InvalidArgument("input \"" + input.name + "\" is " +
                             std::string(tensor::DTypeName(input.dtype)) +
                             ", which JSON cannot carry; send it in binary",
                         "TYPE");
}

}  // namespace muster::server::codec::internal
