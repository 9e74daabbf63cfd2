/* Preloaded into Orthanc while it is measured: it can only listen on every interface, and a benchmark opens no port to the
 * network. Every bind() to "any" becomes one to loopback. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>

typedef int (*bind_function)(int, const struct sockaddr *, socklen_t);

int bind(int socket, const struct sockaddr *address, socklen_t length)
{
    bind_function next = (bind_function) dlsym(RTLD_NEXT, "bind");
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4 = *(const struct sockaddr_in *) address;
        if (v4.sin_addr.s_addr == htonl(INADDR_ANY)) {
            v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        }
        return next(socket, (const struct sockaddr *) &v4, sizeof v4);
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6 = *(const struct sockaddr_in6 *) address;
        if (IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr)) {
            v6.sin6_addr = in6addr_loopback;
        }
        return next(socket, (const struct sockaddr *) &v6, sizeof v6);
    }
    return next(socket, address, length);
}
