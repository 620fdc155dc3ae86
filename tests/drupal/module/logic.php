<?php

/**
 * @file
 * The modules' own logic, where it needs little of Drupal. Whatever touches a
 * site is tested in a real one, by run.
 *
 * logic.php DIRECTORY-OF-THE-MODULES
 */

require_once dirname(__FILE__) .'/small_drupal/small_drupal.inc';

$modules = $argv[1];
require "$modules/audiospread/audiospread.gateway.inc";
require "$modules/audiospread/audiospread.storage.inc";
require "$modules/audiospread/audiospread.messages.inc";

// Addresses of a gateway.
same(array('scheme' => 'http', 'host' => '127.0.0.1', 'port' => 8095, 'path' => ''), audiospread_gateway_parts(' http://127.0.0.1:8095/ '), 'an address');
same(array('scheme' => 'https', 'host' => 'radio.example.org', 'port' => 443, 'path' => '/phone'), audiospread_gateway_parts('https://radio.example.org/phone/'), 'an address with a path');
foreach (array('', 'radio', 'ftp://a', 'http://u:p@a', 'http://a?b', 'http://a#b', "http://a\r\nX: y", 'http://a/b c', 'http://', 'http:///x', 'http://a<b') as $wrong) {
  same(FALSE, audiospread_gateway_parts($wrong), 'no address: '. $wrong);
}

// The authorities by which an https gateway is checked: PHP before 5.6 knows of none by itself.
$usual = array('/nowhere/a.crt', __FILE__, $argv[0]);
same(__FILE__, audiospread_gateway_cafile('5.2.17', '', $usual), 'the first usual file that can be read');
same(__FILE__, audiospread_gateway_cafile('5.5.38', '', $usual), 'the same for PHP 5.5');
same('', audiospread_gateway_cafile('5.6.0', '', $usual), 'PHP 5.6 knows by itself');
same('', audiospread_gateway_cafile('7.4.33', '', array()), 'and so does PHP 7.4');
foreach (array('5.3.29', '7.4.33') as $version) {
  same(__FILE__, audiospread_gateway_cafile($version, __FILE__, array()), 'the chosen file, with '. $version);
  same(FALSE, audiospread_gateway_cafile($version, '/nowhere/a.crt', $usual), 'a chosen file that is not there, with '. $version);
}
same(FALSE, audiospread_gateway_cafile('5.5.38', '', array('/nowhere/a.crt')), 'no file');
$error = '';
variable_set('audiospread_cafile', '/nowhere/a.crt');
same(FALSE, audiospread_gateway_connect(audiospread_gateway_parts('https://radio.example.org'), 1, $error), 'no connection without authorities');
same(1, preg_match('/radio\.example\.org cannot be checked: .* file of certificate authorities.*audiospread_cafile/', $error), 'the cause: '. $error);
variable_del('audiospread_cafile');

// What goes over the wire has no control characters, no broken UTF-8, no wide numbers.
same(array('a b', array('c' => 'é '), 7, ''), audiospread_gateway_clean(array("a\x00b", array('c' => "é\x0b"), 7, "\xff")), 'values for XML');
same(2147483647, audiospread_gateway_clean(4294967296), 'a number beyond 32 bits');
$request = audiospread_gateway_request(audiospread_gateway_parts('http://a:1/p'), 'secret', 'POST', '/xmlrpc', 'body');
same("POST /p/xmlrpc HTTP/1.0\r\nHost: a:1\r\nAuthorization: Basic ". base64_encode('drupal:secret') ."\r\nUser-Agent: AudioSpread module for Drupal\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n\r\nbody", $request, 'a request');

// Members of what the gateway answers.
$map = array('text' => str_repeat('é', 300), 'list' => array(1), 'number' => '12', 'below' => -3, 'broken' => "\xff");
same(str_repeat('é', 255), audiospread_gateway_text($map, 'text'), 'a long text');
same('', audiospread_gateway_text($map, 'list'), 'a list for a text');
same('', audiospread_gateway_text($map, 'broken'), 'broken text');
same('', audiospread_gateway_text($map, 'absent'), 'no text');
same(12, audiospread_gateway_int($map, 'number'), 'a number as text');
same(0, audiospread_gateway_int($map, 'below'), 'a number below 0');
same(0, audiospread_gateway_int($map, 'list'), 'a list for a number');
same(array(array('a' => 1)), audiospread_gateway_list(array('x', array('a' => 1), 3)), 'a list of maps');
same(array(), audiospread_gateway_list('text'), 'no list');

// Where a sound may be.
$uuid = '0b5a5e2e-0000-4000-8000-000000000001';
$recording = array('uuid' => $uuid, 'body_store' => 'bitcache', 'body_ref' => 'bitcache://'. str_repeat('a', 40), 'body_size' => 10, 'body_sha256' => str_repeat('0', 64), 'body_mime' => 'audio/mpeg', 'body_seconds' => 3, 'title_store' => '');
same(FALSE, audiospread_storage_sound($recording, 'title'), 'no title');
same(10, audiospread_storage_sound($recording, 'body')->size, 'a body in bitcache');
foreach (array(
  array('files', "sites/default/files/audiospread/$uuid-body.mp3", TRUE),
  array('files', "sites/default/files/audiospread/$uuid-title.mp3", FALSE),
  array('files', "sites/default/files/audiospread/../settings.php", FALSE),
  array('files', "sites/default/files/audiospread/$uuid-body.mp3\n", FALSE),
  array('files', "/etc/passwd", FALSE),
  array('gateway', "/v1/recordings/$uuid/body", TRUE),
  array('gateway', "http://elsewhere/v1/x", FALSE),
  array('gateway', "/v1/a b", FALSE),
  array('gateway', "/v1/../x", FALSE),
  array('bitcache', "bitcache://". str_repeat('A', 40), FALSE),
  array('elsewhere', "x", FALSE),
) as $case) {
  $recording['body_store'] = $case[0];
  $recording['body_ref'] = $case[1];
  same($case[2], is_object(audiospread_storage_sound($recording, 'body')), $case[0] .' '. $case[1]);
}
foreach (array('body_size' => 0, 'body_sha256' => 'x', 'body_mime' => 'text/html') as $name => $value) {
  $wrong = array_merge($recording, array('body_store' => 'gateway', 'body_ref' => '/v1/x', $name => $value));
  same(TRUE, is_string(audiospread_storage_sound($wrong, 'body')), $name);
}

// Ranges of a sound.
foreach (array(
  array('', array(0, 99)),
  array('bytes=0-', array(0, 99)),
  array('bytes=10-19', array(10, 19)),
  array('bytes=90-200', array(90, 99)),
  array('bytes=-5', array(95, 99)),
  array('bytes=-500', array(0, 99)),
  array('bytes=-0', FALSE),
  array('bytes=100-', FALSE),
  array('bytes=20-10', array(0, 99)),
  array('bytes=0-1,5-6', array(0, 99)),
  array('bytes=-', array(0, 99)),
  array('lines=1-2', array(0, 99)),
) as $case) {
  same($case[1], audiospread_messages_range($case[0], 100), 'Range: '. $case[0]);
}

// What PHP 5.2 cannot read.
$files = new RegexIterator(new RecursiveIteratorIterator(new RecursiveDirectoryIterator($modules, FilesystemIterator::SKIP_DOTS)), '/\.(module|inc|install)$/');
foreach ($files as $file) {
  same(array(), newer_than_php_5_2(file_get_contents($file)), $file .' is for PHP 5.2 too');
}
same(array('[', 'closure', 'namespace', '??', '?:'), newer_than_php_5_2('<?php namespace a; $a = [1]; $b = function () {}; $c = $a ?? $b ?: $a[0]; array(1)[0];'), 'what is newer is seen');

/**
 * Names what of a source PHP 5.2 does not know.
 */
function newer_than_php_5_2($source) {
  $found = array();
  $before = NULL;
  $tokens = array();
  foreach (token_get_all($source) as $token) {
    if (!is_array($token) || !in_array($token[0], array(T_WHITESPACE, T_COMMENT, T_DOC_COMMENT))) {
      $tokens[] = $token;
    }
  }
  foreach ($tokens as $place => $token) {
    $before = $place ? $tokens[$place - 1] : NULL;
    $next = isset($tokens[$place + 1]) ? $tokens[$place + 1] : NULL;
    if ($token === '[' && !(is_array($before) && in_array($before[0], array(T_VARIABLE, T_STRING))) && !in_array($before, array(']', '}'), TRUE)) {
      $found['['] = '[';
    }
    if ($token === '?' && $next === ':') {
      $found['?:'] = '?:';
    }
    if (is_array($token)) {
      if ($token[0] == T_FUNCTION && ($next === '(' || ($next === '&' && $tokens[$place + 2] === '('))) {
        $found['closure'] = 'closure';
      }
      if (in_array($token[0], array(T_NAMESPACE, T_NS_SEPARATOR, T_TRAIT, T_YIELD, T_FINALLY, T_GOTO, T_DIR))) {
        $found['namespace'] = 'namespace';
      }
      if ($token[0] == T_COALESCE) {
        $found['??'] = '??';
      }
    }
  }
  $order = array('[', 'closure', 'namespace', '??', '?:');
  return array_values(array_intersect($order, $found));
}

all_checked();
