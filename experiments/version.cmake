# Writes OUTPUT, the source of version(), when it changed: NUMBER and what git says of SOURCE.
execute_process(COMMAND git describe --always --dirty --abbrev=10 WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(version ${NUMBER})
if(commit)
  string(APPEND version "+${commit}")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT
"#include \"experiments/provenance.h\"

std::string_view specdec::version() { return \"${version}\"; }
")
