# Who may include whom: cmake -DROOT=<source tree> -P tests/layers.cmake
# Includes point one way, and what a library gives us to include stays where ARCHITECTURE.md puts it.
cmake_minimum_required(VERSION 3.25)

set(layers core tokenizers draft verify experiments notebooks-export cli)
set(private_libraries "nlohmann/|sentencepiece|cblas|sqlite3|zlib")  # stay inside .cc files
set(json_header "core/files/json.h")                            # the one header of ours with json; only .cc include it
set(results_header "experiments/result_table.h")                # all that exports see beside core
set(violations "")

foreach(layer IN LISTS layers)
  list(APPEND below ${layer})
  file(GLOB_RECURSE sources RELATIVE ${ROOT} ${ROOT}/${layer}/*.cc ${ROOT}/${layer}/*.h ${ROOT}/${layer}/*.inl)
  foreach(source IN LISTS sources)
    file(STRINGS ${ROOT}/${source} lines REGEX "^[ \t]*#[ \t]*include")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[ \t]*#[ \t]*include[ \t]*[<\"]([^>\"]*)[>\"].*" "\\1" included "${line}")
      string(REGEX MATCH "^[^/]*" folder "${included}")
      if(line MATCHES "include[ \t]*\"" AND (NOT folder IN_LIST below OR included MATCHES "\\.\\."))
        list(JOIN below ", " allowed)
        list(APPEND violations "${source} includes \"${included}\"; ${layer} may include only ${allowed}")
      endif()
      if(layer STREQUAL "notebooks-export" AND folder MATCHES "^(tokenizers|draft|verify|experiments)$" AND
         NOT included STREQUAL results_header)
        list(APPEND violations "${source} includes \"${included}\"; of what experiments do, exports see ${results_header}")
      endif()
      if(NOT source MATCHES "\\.cc$" AND NOT source STREQUAL json_header AND
         (included MATCHES "^(${private_libraries})" OR included STREQUAL json_header))
        list(APPEND violations "${source} includes ${included}, which belongs into .cc files")
      endif()
      if(included MATCHES "^CLI/" AND NOT layer STREQUAL "cli")
        list(APPEND violations "${source} includes ${included}, which belongs into cli")
      endif()
    endforeach()
  endforeach()
endforeach()

foreach(violation IN LISTS violations)
  message(NOTICE "${violation}")
endforeach()
if(violations)
  message(FATAL_ERROR "includes must point one way: core <- tokenizers <- draft <- verify <- experiments <- notebooks-export <- cli")
endif()
