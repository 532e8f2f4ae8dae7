#pragma once

#if defined(DLCORE_STATIC)
#define DLCORE_API
#elif defined(_WIN32)
#ifdef DLCORE_BUILD
#define DLCORE_API __declspec(dllexport)
#else
#define DLCORE_API __declspec(dllimport)
#endif
#else
#define DLCORE_API __attribute__((visibility("default")))
#endif
