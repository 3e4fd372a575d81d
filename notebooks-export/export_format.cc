#include "notebooks-export/export_format.h"

#include "core/kinds.h"

namespace specdec {

const ExportFormat& export_format(std::string_view name) { return find_kind(export_formats(), "export format", name); }

}  // namespace specdec
