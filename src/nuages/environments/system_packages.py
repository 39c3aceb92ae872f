"""Which Debian and Ubuntu packages a Python package needs: to be built from source, or to run at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.utils import canonicalize_name


COMPILER = ("build-essential", "python3-dev")

# Libraries that are loaded at run time, wheel or not.
RUNTIME: Mapping[str, tuple[str, ...]] = {
    "django.contrib.gis": ("gdal-bin", "libgdal-dev", "libgeos-dev", "libproj-dev"),
    "gdal": ("gdal-bin", "libgdal-dev"),
    "python-magic": ("libmagic1",),
    "filemagic": ("libmagic1",),
    "weasyprint": ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"),
    "django-weasyprint": ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"),
    "cairosvg": ("libcairo2",),
    "cairocffi": ("libcairo2",),
    "pytesseract": ("tesseract-ocr",),
    "ocrmypdf": ("tesseract-ocr", "ghostscript"),
    "pdf2image": ("poppler-utils",),
    "wand": ("libmagickwand-dev",),
    "pydub": ("ffmpeg",),
    "ffmpeg-python": ("ffmpeg",),
    "pyzbar": ("libzbar0",),
    "python-barcode": (),
    "pypandoc": ("pandoc",),
    "pdfkit": ("wkhtmltopdf",),
    "django-wkhtmltopdf": ("wkhtmltopdf",),
    "textract": ("antiword", "poppler-utils"),
    "pylibmc": ("libmemcached11",),
    "python3-saml": ("libxmlsec1-openssl",),
    "djangosaml2": ("xmlsec1",),
    "pysaml2": ("xmlsec1",),
    "opencv-python": ("libgl1", "libglib2.0-0"),
    "django-spatialite": ("libsqlite3-mod-spatialite",),
    "pyodbc": ("unixodbc",),
    "mssql-django": ("unixodbc",),
    "django-pyodbc-azure": ("unixodbc",),
    "gnupg": ("gnupg",),
    "python-gnupg": ("gnupg",),
    "graphviz": ("graphviz",),
    "pygraphviz": ("graphviz",),
    "python-snappy": ("libsnappy1v5",),
}

# Headers, needed only where there is no wheel.
BUILD: Mapping[str, tuple[str, ...]] = {
    "psycopg2": ("libpq-dev",),
    "psycopg2-binary": ("libpq-dev",),
    "psycopg-c": ("libpq-dev",),
    "mysqlclient": ("default-libmysqlclient-dev", "pkg-config"),
    "mysql-python": ("default-libmysqlclient-dev",),
    "python-ldap": ("libldap-dev", "libsasl2-dev"),
    "django-auth-ldap": ("libldap-dev", "libsasl2-dev"),
    "lxml": ("libxml2-dev", "libxslt1-dev"),
    "xmlsec": ("libxmlsec1-dev", "libxmlsec1-openssl", "pkg-config"),
    "pillow": ("libjpeg-dev", "zlib1g-dev", "libfreetype-dev", "libwebp-dev"),
    "pillow-simd": ("libjpeg-dev", "zlib1g-dev"),
    "pillow-heif": ("libheif-dev",),
    "pycairo": ("libcairo2-dev", "pkg-config"),
    "rlpycairo": ("libcairo2-dev", "pkg-config"),
    "pygobject": ("libgirepository-2.0-dev", "libcairo2-dev", "pkg-config"),
    "cffi": ("libffi-dev",),
    "cryptography": ("libssl-dev", "libffi-dev", "cargo"),
    "bcrypt": ("libffi-dev", "cargo"),
    "pynacl": ("libsodium-dev", "libffi-dev"),
    "argon2-cffi-bindings": ("libffi-dev",),
    "m2crypto": ("libssl-dev", "swig"),
    "pyopenssl": ("libssl-dev",),
    "uwsgi": (),
    "pyuwsgi": (),
    "pyyaml": ("libyaml-dev",),
    "pycurl": ("libcurl4-openssl-dev", "libssl-dev"),
    "pylibmc": ("libmemcached-dev", "zlib1g-dev"),
    "gevent": ("libev-dev", "libffi-dev"),
    "greenlet": (),
    "hiredis": (),
    "ujson": (),
    "pyicu": ("libicu-dev", "pkg-config"),
    "gdal": ("libgdal-dev",),
    "fiona": ("libgdal-dev",),
    "rasterio": ("libgdal-dev",),
    "shapely": ("libgeos-dev",),
    "pyproj": ("libproj-dev", "proj-bin"),
    "psutil": (),
    "numpy": ("gfortran", "libopenblas-dev"),
    "scipy": ("gfortran", "libopenblas-dev"),
    "pandas": (),
    "h5py": ("libhdf5-dev",),
    "pyodbc": ("unixodbc-dev",),
    "cx-oracle": ("libaio-dev",),
    "pymssql": ("freetds-dev",),
    "django-pymssql": ("freetds-dev",),
    "gssapi": ("libkrb5-dev",),
    "kerberos": ("libkrb5-dev",),
    "dbus-python": ("libdbus-1-dev", "pkg-config"),
    "pygraphviz": ("libgraphviz-dev", "pkg-config"),
    "python-snappy": ("libsnappy-dev",),
    "brotlipy": ("libffi-dev",),
    "libsass": (),
    "rjsmin": (),
    "rcssmin": (),
    "orjson": ("cargo",),
    "pydantic-core": ("cargo",),
    "rpds-py": ("cargo",),
    "tokenizers": ("cargo",),
    "netifaces": (),
    "pycryptodome": (),
    "pycrypto": (),
    "simplejson": (),
    "markupsafe": (),
    "regex": (),
    "zope-interface": (),
    "twisted": (),
    "grpcio": (),
}


def system_packages(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What `apt install` needs for these packages to be built and to run; names without an entry are left out.

    Besides package names, `django.contrib.gis` is known.
    """
    wanted = {name: _entry(name if "." in name and name in RUNTIME else canonicalize_name(name)) for name in names}
    return {name: apt for name, apt in wanted.items() if apt}


def _entry(name: str) -> tuple[str, ...]:
    build = (*BUILD[name], *COMPILER) if name in BUILD else ()
    return tuple(dict.fromkeys((*RUNTIME.get(name, ()), *build)))


def apt_line(packages: Mapping[str, tuple[str, ...]]) -> str:
    every = dict.fromkeys(name for names in packages.values() for name in names)
    return "sudo apt install " + " ".join(every)
